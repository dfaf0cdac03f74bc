"""New names for all services of a system, alike wherever one occurs, so that names carry no knowledge."""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_AFFIXES = re.compile(r"^ts-|[-_]?(?:service|svc)$|_(?:AWS::.*|remote|client|Database::SQL)$")
_SHORTEST_STEM = 4


def stem(name: str) -> str:
    """``name`` without what the names of a system have in common: ``cartservice`` → ``cart``."""
    previous = ""
    while previous != name:
        previous, name = name, _AFFIXES.sub("", name)
    return name


@dataclass
class Renaming:
    """``seed`` None leaves every name as it is. Whole names and, in texts, their stems in any spelling."""

    services: Sequence[str]
    seed: int | None
    _names: dict[str, str] = field(default_factory=dict)
    _stems: dict[str, str] = field(default_factory=dict)
    _pattern: re.Pattern[str] | None = None
    _seen: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.seed is None:
            return
        numbers = list(range(100, 100 + len(self.services)))
        random.Random(self.seed).shuffle(numbers)
        for number, name in zip(numbers, sorted(self.services), strict=True):
            self._names[name] = f"n{number}x"
            if len(stem(name)) >= _SHORTEST_STEM:
                self._stems.setdefault(_plain(stem(name)), f"n{number}x")
        for name, new in self._names.items():
            self._stems.setdefault(_plain(name), new)
        spellings = sorted(self._stems, key=lambda s: (-len(s), s))
        loose = ("[-_ ]?".join(re.escape(char) for char in spelling) for spelling in spellings)
        self._pattern = re.compile("|".join(loose), re.IGNORECASE)

    def service(self, name: str) -> str:
        return self._names.get(name, name) if self.seed is not None else name

    def original(self, names: Iterable[str]) -> list[str]:
        """The names before, for scoring and printing."""
        back = {new: old for old, new in self._names.items()}
        return [back.get(name, name) for name in names]

    def text(self, text: str) -> str:
        """``text`` with every mention of a service replaced, whole or as part of a word."""
        if self._pattern is None or not text:
            return text
        if text not in self._seen:
            self._seen[text] = self._pattern.sub(lambda m: self._stems[_plain(m.group())], text)
        return self._seen[text]


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()
