"""Channels: each looks at the evidence from one side and says whom it suspects, and why."""

from bongsu.analysis.channels.base import Channel, Findings
from bongsu.analysis.channels.changes import changes
from bongsu.analysis.channels.edges import edges
from bongsu.analysis.channels.failures import failures
from bongsu.analysis.channels.latency import latency
from bongsu.analysis.channels.logs import logs
from bongsu.analysis.channels.presence import presence
from bongsu.analysis.channels.resources import resources
from bongsu.analysis.channels.structure import structure

SUSPECTING: tuple[tuple[Channel, float], ...] = (
    (presence, 1.5),
    (failures, 1.2),
    (edges, 1.2),
    (latency, 1.0),
    (resources, 1.0),
    (structure, 1.2),
    (logs, 0.5),
)
"""Channels that make suspects, with the weight of each."""

PRIOR: Channel = changes

__all__ = ["PRIOR", "SUSPECTING", "Channel", "Findings"]
