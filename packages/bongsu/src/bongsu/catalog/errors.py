"""What is wrong with a catalog: every problem at once, each with its place and a hint."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file; ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    place: Place
    message: str
    hint: str = ""
    source: str = ""
    """The offending line of the file."""

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.message}"]
        if self.source:
            caret = " " * (self.place.column - 1) + "^"
            lines += [f"    {self.source}", f"    {caret}"]
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)


class CatalogError(Exception):
    """The catalog cannot be used; ``problems`` holds every reason, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(word: str, allowed: Iterable[str]) -> str:
    """``did you mean 'x'?``, or the list of what is allowed when nothing is near."""
    names = sorted(allowed)
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none are declared"
