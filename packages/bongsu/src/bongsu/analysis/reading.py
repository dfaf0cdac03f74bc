"""Ask a backend many things at once, within a deadline; what fails or is late becomes a stated gap."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bongsu.analysis.model import Gap, Say

_GRACE = 0.05
_LONGEST_MESSAGE = 240
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Question:
    what: Say
    """What is read, as people call it."""
    ask: Callable[[], Awaitable[Any]]


class Reader:
    """``seconds`` bounds everything that this reader does, ``per_read`` each question, both in seconds."""

    def __init__(self, seconds: float, per_read: float, concurrency: int) -> None:
        self._end = time.monotonic() + seconds
        self._per_read = per_read
        self._slots = asyncio.Semaphore(max(1, concurrency))
        self._failures: dict[Say, list[Say]] = {}

    @property
    def remaining(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @property
    def gaps(self) -> list[Gap]:
        """One sentence a distinct failure, naming all that it hit."""
        return [_gap(what, message) for message, what in self._failures.items()]

    async def ask(self, questions: Mapping[str, Question], *, share: float = 1.0) -> dict[str, Any]:
        """Answers by name; a question that failed is absent. ``share`` is of the time that is left.

        A question that does not stop when cancelled is left behind rather than waited for.
        """
        tasks = {name: asyncio.create_task(self._one(q.ask)) for name, q in questions.items()}
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
        return self._sort(questions, tasks, set(late), allowed)

    async def _one(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        async with self._slots, asyncio.timeout(self._per_read):
            return await ask()

    def _sort(
        self,
        questions: Mapping[str, Question],
        tasks: Mapping[str, asyncio.Task[Any]],
        late: set[asyncio.Task[Any]],
        allowed: float,
    ) -> dict[str, Any]:
        answers = {}
        for name, task in tasks.items():
            what = questions[name].what
            if task in late or task.cancelled():
                self._fail(what, _late(allowed))
            elif (error := task.exception()) is None:
                answers[name] = task.result()
            elif isinstance(error, TimeoutError):
                self._fail(what, _late(self._per_read))
            else:
                said = str(error)[:_LONGEST_MESSAGE] or type(error).__name__
                self._fail(what, Say(said, said))
        return answers

    def _fail(self, what: Say, message: Say) -> None:
        self._failures.setdefault(message, []).append(what)


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _late(seconds: float) -> Say:
    return Say(f"no answer within {seconds:.3g} s", f"{seconds:.3g}초 안에 응답이 없었습니다")


def _gap(what: Sequence[Say], message: Say) -> Gap:
    names = list(dict.fromkeys(what))
    en = ", ".join(name.en for name in names[:_NAMED])
    ko = ", ".join(name.ko for name in names[:_NAMED])
    rest = len(names) - _NAMED
    if rest > 0:
        en, ko = f"{en} and {rest} more", f"{ko} 외 {rest}건"
    return Gap(f"{en}: {message.en}", f"{ko}: {message.ko}")
