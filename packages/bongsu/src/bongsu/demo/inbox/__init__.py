"""A loopback stand-in for a Discord channel: it takes what Discord takes, refuses what Discord refuses,
and shows the messages as people would see them."""

from bongsu.demo.inbox.app import Inbox, create_inbox
from bongsu.demo.inbox.control import InboxControl

__all__ = ["Inbox", "InboxControl", "create_inbox"]
