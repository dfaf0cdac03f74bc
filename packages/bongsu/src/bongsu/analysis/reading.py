"""Ask a backend many things at once, within a deadline; what fails or is late becomes a stated gap."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

_GRACE = 0.05
_LONGEST_MESSAGE = 240


class Reader:
    """``seconds`` bounds everything that this reader does, ``per_read`` each question, both in seconds."""

    def __init__(self, seconds: float, per_read: float, concurrency: int) -> None:
        self._end = time.monotonic() + seconds
        self._per_read = per_read
        self._slots = asyncio.Semaphore(max(1, concurrency))
        self._failures: dict[str, list[str]] = {}

    @property
    def remaining(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @property
    def gaps(self) -> list[str]:
        """One sentence a distinct failure, naming all that it hit."""
        return [f"{_names(what)}: {message}" for message, what in self._failures.items()]

    async def ask(
        self, questions: Mapping[str, Callable[[], Awaitable[Any]]], *, share: float = 1.0
    ) -> dict[str, Any]:
        """Answers by name; a question that failed is absent. ``share`` is of the time that is left.

        A question that does not stop when cancelled is left behind rather than waited for.
        """
        tasks = {name: asyncio.create_task(self._one(ask)) for name, ask in questions.items()}
        if not tasks:
            return {}
        allowed = self.remaining * share
        try:
            await asyncio.wait(tasks.values(), timeout=allowed)
        finally:
            late = [task for task in tasks.values() if not task.done()]
            for task in late:
                task.add_done_callback(_forget)
                task.cancel()
        if late:
            await asyncio.wait(late, timeout=_GRACE)
        return self._sort(tasks, set(late), allowed)

    async def _one(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        async with self._slots, asyncio.timeout(self._per_read):
            return await ask()

    def _sort(
        self, tasks: Mapping[str, asyncio.Task[Any]], late: set[asyncio.Task[Any]], allowed: float
    ) -> dict[str, Any]:
        answers = {}
        for name, task in tasks.items():
            if task in late or task.cancelled():
                self._fail(name, f"no answer within {allowed:.3g} s")
            elif (error := task.exception()) is None:
                answers[name] = task.result()
            elif isinstance(error, TimeoutError):
                self._fail(name, f"no answer within {self._per_read:.3g} s")
            else:
                self._fail(name, str(error)[:_LONGEST_MESSAGE] or type(error).__name__)
        return answers

    def _fail(self, name: str, message: str) -> None:
        self._failures.setdefault(message, []).append(name.partition("#")[0])


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _names(what: list[str]) -> str:
    names = list(dict.fromkeys(what))
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
