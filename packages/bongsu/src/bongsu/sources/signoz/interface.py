"""What either way to SigNoz can be asked."""

from collections.abc import Mapping
from typing import Any, Protocol

from bongsu.sources.base import Edge, SourceError, Span


class Interface(Protocol):
    """A way to SigNoz. Each question raises SourceError, which names the source and the endpoint."""

    topology: bool
    """Whether it tells who calls whom."""

    async def query_range(self, body: Mapping[str, Any], what: str) -> Mapping[str, Any]:
        """The answer to a v5 query, within its envelope or without; ``what`` is asked for in errors."""
        ...

    async def trace(self, trace_id: str) -> list[Span] | None:
        """Every span of a trace; None where there is no better way than to search for them."""
        ...

    async def dependencies(self, start: float, end: float) -> list[Edge]:
        """Who called whom."""
        ...

    def error(self, text: str) -> SourceError:
        """The error of an answer that ``query_range`` gave and that is none."""
        ...

    async def aclose(self) -> None:
        """Give up connections."""
        ...
