"""Who a client span called: by its child, by an address seen before, by a given address, or by name."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bongsu.sources.base import Span

CALLS = frozenset({"client", "producer"})
_LONGEST = 120
_AGREEMENT = 0.8


@dataclass(frozen=True, slots=True)
class Peers:
    """``addresses`` and ``learned`` map a peer string (host:port, host or name) to a service."""

    services: frozenset[str]
    addresses: Mapping[str, str]
    learned: Mapping[str, str]

    def service(self, peer: str) -> str:
        """The service behind ``peer``; the peer itself where it is nobody we know; empty for empty."""
        peer = peer.strip()[:_LONGEST]
        host = peer.rpartition(":")[0] or peer
        for known in (self.addresses, self.learned):
            for name in (peer, host):
                if name in known:
                    return known[name]
        for name in (peer, host, host.partition(".")[0]):
            if name in self.services:
                return name
        return peer


def learn_peers(spans: Iterable[Span], services: Iterable[str], addresses: Mapping[str, str]) -> Peers:
    """Reads from answered calls which service each peer string stands for, where they agree."""
    spans = list(spans)
    clients = {(s.trace_id, s.span_id): s for s in spans if s.kind in CALLS and s.peer}
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for span in spans:
        parent = clients.get((span.trace_id, span.parent_id))
        if parent is not None and parent.service != span.service:
            votes[parent.peer.strip()[:_LONGEST]][span.service] += 1
    learned = {}
    for peer, counts in votes.items():
        service, most = min(counts.items(), key=lambda item: (-item[1], item[0]))
        if most >= _AGREEMENT * counts.total():
            learned[peer] = service
    known = frozenset(services) | {span.service for span in spans}
    return Peers(known, addresses, learned)
