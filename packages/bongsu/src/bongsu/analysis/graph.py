"""The call graph: who calls whom, as declared in the catalog and as seen in spans."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from bongsu.analysis.model import Evidence

Graph = Mapping[str, Sequence[str]]
"""Service → services it calls."""


def call_graph(evidence: Evidence) -> dict[str, list[str]]:
    """Declared and observed calls together, sorted, without self-calls."""
    found: dict[str, set[str]] = {name: set(callees) for name, callees in evidence.depends_on.items()}
    for edge in evidence.edges:
        found.setdefault(edge.caller, set()).add(edge.callee)
    return {name: sorted(callees - {name}) for name, callees in sorted(found.items())}


def reverse(graph: Graph) -> dict[str, list[str]]:
    """Service → services that call it."""
    callers: dict[str, set[str]] = {}
    for caller, callees in graph.items():
        for callee in callees:
            callers.setdefault(callee, set()).add(caller)
    return {name: sorted(found) for name, found in sorted(callers.items())}


def reachable(graph: Graph, starts: Iterable[str]) -> set[str]:
    """``starts`` and everything that they call, transitively."""
    seen = set(starts)
    queue = deque(sorted(seen))
    while queue:
        for following in graph.get(queue.popleft(), ()):
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return seen


def neighbourhood(graph: Graph, services: Iterable[str]) -> set[str]:
    """``services``, whatever they call and whatever calls them, transitively each way."""
    starts = set(services)
    return reachable(graph, starts) | reachable(reverse(graph), starts)
