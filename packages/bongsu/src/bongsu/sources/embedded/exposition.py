"""The Prometheus text format 0.0.4 and OpenMetrics 1.0, read as samples; exemplars are passed over."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from bongsu.sources.embedded.store import Metadata, SeriesKey, series_key

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SPACE = re.compile(r"[ \t]*")
_SERIES = re.compile(
    r'[^\s{"#][^\s{"]*[ \t]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?|\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}'
)
_TOKEN = re.compile(r"[^ \t]+")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}
_FLOAT = re.compile(
    r"[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.ASCII | re.IGNORECASE
)


class ExpositionError(ValueError):
    """A body that breaks the format. The message begins with ``line 3 column 7:``."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line} column {column}: {reason}")
        self.line, self.column, self.reason = line, column, reason


@dataclass(slots=True)
class Exposition:
    """Samples in the order of the body. ``times`` holds Unix seconds, NaN where the body gives none."""

    keys: list[SeriesKey] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    metadata: list[Metadata] = field(default_factory=list)


SeriesCache = dict[str, SeriesKey]
"""Series as spelled in the body → key; kept between scrapes of a target, it saves most of the parsing."""


def parse(
    body: bytes,
    *,
    openmetrics: bool = False,
    cache: SeriesCache | None = None,
    relabel: Callable[[dict[str, str]], dict[str, str]] | None = None,
    max_samples: int | None = None,
) -> Exposition:
    """Samples of ``body``; ``relabel`` may change the labels of each series before it becomes a key.

    ExpositionError for a malformed body, for OpenMetrics without ``# EOF`` and for more than ``max_samples``.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        before = body[: error.start]
        column = error.start - before.rfind(b"\n")
        raise ExpositionError(before.count(b"\n") + 1, column, "this is not UTF-8") from error
    return _Parser(openmetrics, {} if cache is None else cache, relabel, max_samples).run(text)


class _Parser:
    def __init__(
        self,
        openmetrics: bool,
        cache: SeriesCache,
        relabel: Callable[[dict[str, str]], dict[str, str]] | None,
        max_samples: int | None,
    ) -> None:
        self._openmetrics = openmetrics
        self._time_scale = 1.0 if openmetrics else 0.001
        self._cache = cache
        self._relabel = relabel
        self._max = max_samples
        self._found = Exposition()
        self._about: dict[str, dict[str, str]] = {}
        self._line, self._text = 0, ""

    def run(self, text: str) -> Exposition:
        ended = False
        for self._line, line in enumerate(text.split("\n"), 1):
            self._text = line = line.removesuffix("\r")
            if not line or line.isspace():
                continue
            if ended:
                self._fail(0, "there is text after # EOF")
            if line.lstrip(" \t").startswith("#"):
                ended = self._comment(line) and self._openmetrics
            else:
                self._sample(line)
        if self._openmetrics and not ended:
            self._fail(0, "the body ends without # EOF, so it was cut short")
        self._found.metadata = [
            Metadata(name, about.get("TYPE", "unknown"), about.get("UNIT", ""), about.get("HELP", ""))
            for name, about in self._about.items()
        ]
        return self._found

    def _comment(self, line: str) -> bool:
        words = line.split(None, 3)
        if len(words) > 2 and words[1] in ("TYPE", "HELP", "UNIT"):
            text = words[3].strip() if len(words) > 3 else ""
            self._about.setdefault(words[2].strip('"'), {})[words[1]] = _unescape(text)
        return words[1:] == ["EOF"]

    def _sample(self, line: str) -> None:
        spelled, _, word = line.rpartition(" ")
        known = self._cache.get(spelled)
        if known is not None and _FLOAT.fullmatch(word):
            self._keep(known, float(word), math.nan)
        else:
            self._unseen_sample(line)

    def _keep(self, key: SeriesKey, value: float, time: float) -> None:
        self._found.keys.append(key)
        self._found.values.append(value)
        self._found.times.append(time)
        if self._max is not None and len(self._found.keys) > self._max:
            self._fail(0, f"the body has more than {self._max} samples")

    def _unseen_sample(self, line: str) -> None:
        start = _end(_SPACE, line, 0)
        match = _SERIES.match(line, start)
        if match is None:
            self._series(line, start)
            self._fail(start, "a metric name is expected")
        spelled = match.group().rstrip(" \t")
        key = self._cache.get(spelled)
        if key is None:
            key = self._cache[spelled] = self._series(line, start)
        at = match.end()
        word, after = self._word(line, at, "a value")
        value = self._float(word, after - len(word), "a number is expected as the value")
        self._keep(key, value, self._time(line, after))

    def _time(self, line: str, at: int) -> float:
        at = _end(_SPACE, line, at)
        if at == len(line) or line.startswith("#", at):
            return math.nan
        word, after = self._word(line, at, "a timestamp")
        value = self._float(word, at, "a number is expected as the timestamp")
        if not math.isfinite(value):
            self._fail(at, "a timestamp must be finite")
        rest = _end(_SPACE, line, after)
        if rest != len(line) and not line.startswith("#", rest):
            self._fail(rest, "the line should end after the timestamp")
        return value * self._time_scale

    def _word(self, line: str, at: int, what: str) -> tuple[str, int]:
        match = _TOKEN.match(line, _end(_SPACE, line, at))
        if match is None or match.group().startswith("#"):
            self._fail(at, f"{what} is missing")
        return match.group(), match.end()

    def _float(self, word: str, at: int, reason: str) -> float:
        if not _FLOAT.fullmatch(word):
            self._fail(at, f"{reason}, not {word[:40]!r}")
        return float(word)

    def _series(self, line: str, at: int) -> SeriesKey:
        """The slow way, once for each series: every character is looked at, so that errors have a place."""
        match = _NAME.match(line, at)
        name, at = (match.group(), match.end()) if match else ("", at)
        at = _end(_SPACE, line, at)
        labels: dict[str, str] = {}
        if line.startswith("{", at):
            name, at = self._labels(line, at + 1, name, labels)
        elif match is not None and line[at - 1 : at] not in (" ", "\t"):
            self._fail(
                at, f"{line[at : at + 1]!r} cannot be in a metric name" if line[at:] else "a value is missing"
            )
        if not name:
            self._fail(at, "a metric name is expected")
        return series_key(name, self._relabel(labels) if self._relabel else labels)

    def _labels(self, line: str, at: int, name: str, labels: dict[str, str]) -> tuple[str, int]:
        while True:
            at = _end(_SPACE, line, at)
            if line.startswith("}", at):
                return name, at + 1
            label, after = self._label_name(line, at)
            equals = _end(_SPACE, line, after)
            if line.startswith('"', at) and not name and not line.startswith("=", equals):
                name, at = label, equals
            else:
                if label in labels:
                    self._fail(at, f"label {label!r} appears twice")
                if not line.startswith("=", equals):
                    self._fail(equals, "'=' is expected after the label's name")
                quoted = _QUOTED.match(line, _end(_SPACE, line, equals + 1))
                if quoted is None:
                    self._fail(equals + 1, "a label value in double quotes is expected")
                labels[label], at = _unescape(quoted.group(1)), quoted.end()
            at = _end(_SPACE, line, at)
            if line.startswith(",", at):
                at += 1
            elif not line.startswith("}", at):
                self._fail(at, "',' or '}' is expected after a label")

    def _label_name(self, line: str, at: int) -> tuple[str, int]:
        quoted = _QUOTED.match(line, at)
        if quoted:
            return _unescape(quoted.group(1)), quoted.end()
        match = _LABEL.match(line, at)
        if match is None:
            self._fail(at, "a label name is expected" if line[at:] else "the labels are not closed by '}'")
        return match.group(), match.end()

    def _fail(self, at: int, reason: str) -> NoReturn:
        raise ExpositionError(self._line, at + 1, reason)


def _end(pattern: re.Pattern[str], line: str, at: int) -> int:
    match = pattern.match(line, at)
    return match.end() if match else at


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match.group(1), match.group()), text)
