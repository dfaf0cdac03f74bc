"""What every channel answers: at most one reason a service, with a score of 0 to about 1."""

from collections.abc import Callable, Mapping

from bongsu.analysis.model import Evidence, Reason

Findings = Mapping[str, Reason]
"""Service → why this channel suspects it."""

Channel = Callable[[Evidence], Findings]


def keep_worst(found: dict[str, Reason], service: str, reason: Reason) -> None:
    """The stronger of two reasons of one channel for one service stays."""
    if reason.score > 0 and (service not in found or reason.score > found[service].score):
        found[service] = reason
