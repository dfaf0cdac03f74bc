"""Whether the stack that runs is the one that the catalog asks for: every hop from a metric to a channel."""

from bongsu.stack.verify.model import Line, Places, State
from bongsu.stack.verify.run import verify

__all__ = ["Line", "Places", "State", "verify"]
