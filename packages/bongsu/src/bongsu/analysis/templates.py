"""Log templates by a fixed-depth tree, after He, Zhu, Zheng and Lyu, "Drain: An Online Log Parsing Approach
with Fixed Depth Tree", ICWS 2017.

A line is masked, split into tokens and sent down a tree: first by its number of tokens, then by its first
tokens. In the leaf it joins the most similar template (share of equal tokens), whose differing tokens become
wildcards, or begins a new one. Lines come from outside, so their length, the tokens of a line, the width of
the tree and the number of templates are all bounded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

WILDCARD = "<*>"
OVERFLOW = "<other lines>"

_CLOCK = r"\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"
_QUOTED = re.compile(r"\"[^\"]{0,400}\"|(?<!\w)'[^']{0,400}'(?!\w)")
_DUMP = re.compile(r"[(\[{][^()\[\]{}=,]*[=,][^()\[\]{}]*[)\]}]")
_TORN_DUMP = re.compile(r"[(\[{][^()\[\]{}=,]*[=,][^()\[\]{}]*$")
_NESTED = 8
_DATED = re.compile(rf"(?<![\w.])\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK})?(?![\w.])")
_LOCATION = re.compile(r"(?<=\w)(?:#|\.(?:py|go|rb|js|ts|java|kt|rs|c|cc|cpp|php|cs):)\d+(?=$|[\s\]):,])")
"""``Class#31``, ``main.go:88``: where a line was written says what it is."""
_PREFIX = 4
_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<![0-9a-zA-Z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?!\w)"), "<uuid>"),
    (_DATED, "<time>"),
    (re.compile(rf"(?<![\w.:]){_CLOCK}(?![\w.:])"), "<time>"),
    (re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.])"), "<ip>"),
    (re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{1,4}(?![\w:])"), "<ip>"),
    (re.compile(r"(?<!\w)0[xX][0-9a-fA-F]+(?!\w)"), "<hex>"),
    (re.compile(r"(?<!\w)(?=[a-fA-F]{0,63}\d)(?=\d{0,63}[a-fA-F])[0-9a-fA-F]{8,64}(?!\w)"), "<hex>"),
    (re.compile(r"(?<!\w)(?=[A-Za-z]{0,63}\d)(?=\d{0,63}[A-Za-z])[A-Za-z0-9]{12,64}(?!\w)"), "<id>"),
    (re.compile(r"(?<![\w.])[+-]?\d+(?:[.,]\d+)*(?:ns|us|µs|ms|s|m|h|%|[KMGT]i?B|B)?(?!\w)"), "<num>"),
)


def mask(line: str) -> str:
    """``line`` with quoted strings, dumps of data, ids, times, addresses and numbers replaced by what they
    are. Source locations stay."""
    return " ".join(_mask_token(token) for token in _mask_phrases(line).split(" "))


def _mask_phrases(line: str) -> str:
    """What may span several words."""
    if '"' in line or "'" in line:
        line = _QUOTED.sub("<str>", line)
    if "," in line or "=" in line:
        for _ in range(_NESTED):
            line, found = _DUMP.subn("<data>", line)
            if not found:
                break
        line = _TORN_DUMP.sub("<data>", line)
    return _DATED.sub("<time>", line)


def _mask_token(token: str) -> str:
    if token.isalpha():
        return token
    location = _LOCATION.search(token)
    if location is not None:
        return f"{token[: location.end()]}{_mask_token(token[location.end() :])}"
    for pattern, name in _MASKS:
        token = pattern.sub(name, token)
    return token


@dataclass(slots=True)
class Template:
    """``tokens`` may still become more general while lines arrive; ``number`` counts from 0 and stays."""

    number: int
    tokens: list[str]
    count: int = 0

    @property
    def text(self) -> str:
        return " ".join(self.tokens)

    @property
    def location(self) -> str:
        """The source location that the line begins with, within its first tokens; empty where it has none."""
        return next((t for t in self.tokens[:_PREFIX] if _LOCATION.search(t)), "")


@dataclass(slots=True)
class _Node:
    children: dict[str, "_Node"] = field(default_factory=dict)
    templates: list[Template] = field(default_factory=list)


@dataclass(slots=True)
class TemplateMiner:
    """Groups lines as they come; equal input in equal order gives equal templates."""

    similarity: float = 0.5
    """Share of tokens that must be equal for a line to join a template."""
    depth: int = 2
    """How many leading tokens the tree looks at."""
    max_children: int = 64
    max_templates: int = 500
    max_line: int = 1000
    """Characters of a line that are read."""
    max_tokens: int = 80
    max_remembered: int = 20_000
    templates: list[Template] = field(default_factory=list)
    _root: _Node = field(default_factory=_Node)
    _overflow: Template | None = None
    _masked: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, ...], Template] = field(default_factory=dict)
    """Masked lines met before: they stay with their template, however it grows."""

    def add(self, line: str) -> Template:
        """The template that ``line`` belongs to, with the line counted in."""
        words = _mask_phrases(line[: self.max_line]).split()[: self.max_tokens]
        tokens = [self._masked.get(word) or self._remember(word) for word in words] or ["<empty>"]
        key = tuple(tokens)
        template = self._known.get(key)
        if template is None:
            template = self._place(tokens)
            if len(self._known) < self.max_remembered:
                self._known[key] = template
        template.count += 1
        return template

    def _remember(self, word: str) -> str:
        masked = _mask_token(word)
        if len(self._masked) < self.max_remembered:
            self._masked[word] = masked
        return masked

    def _place(self, tokens: list[str]) -> Template:
        leaf = self._leaf(tokens)
        template = self._nearest(leaf, tokens) if leaf else None
        if template is None:
            return self._begin(leaf, tokens)
        _generalise(template, tokens)
        return template

    def _leaf(self, tokens: Sequence[str]) -> _Node | None:
        node: _Node | None = self._root
        for key in (str(len(tokens)), *tokens[: self.depth]):
            if node is None:
                return None
            node = self._step(node, key)
        return node

    def _step(self, node: _Node, key: str) -> _Node | None:
        varies = any(char.isdigit() for char in key) and not _LOCATION.search(key)
        if varies and node is not self._root:
            key = WILDCARD
        child = node.children.get(key)
        if child is not None:
            return child
        if len(self.templates) >= self.max_templates:
            return node.children.get(WILDCARD)
        if len(node.children) >= self.max_children:
            key = WILDCARD
        return node.children.setdefault(key, _Node())

    def _nearest(self, leaf: _Node, tokens: Sequence[str]) -> Template | None:
        best, best_score = None, self.similarity
        for template in leaf.templates:
            score = _similarity(template.tokens, tokens)
            if score >= best_score and (best is None or score > best_score):
                best, best_score = template, score
        return best

    def _begin(self, leaf: _Node | None, tokens: Sequence[str]) -> Template:
        if leaf is None or len(self.templates) >= self.max_templates:
            if self._overflow is None:
                self._overflow = Template(len(self.templates), [OVERFLOW])
                self.templates.append(self._overflow)
            return self._overflow
        template = Template(len(self.templates), list(tokens))
        self.templates.append(template)
        leaf.templates.append(template)
        return template


def _similarity(template: Sequence[str], tokens: Sequence[str]) -> float:
    if len(template) != len(tokens):
        return 0.0
    equal = sum(mine == theirs for mine, theirs in zip(template, tokens, strict=True))
    return equal / len(tokens)


def _generalise(template: Template, tokens: Sequence[str]) -> None:
    for index, token in enumerate(tokens):
        if template.tokens[index] != token:
            template.tokens[index] = WILDCARD
