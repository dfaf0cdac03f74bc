"""What the validators of YAML files share: reading a file, keys that a system does not know, durations."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from bongsu.catalog.errors import nearest
from bongsu.signals.quantities import parse_duration
from bongsu.stack.check.model import Finding

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def documents(file: str, text: str) -> tuple[list[Any], list[Finding]]:
    """The YAML documents of a file, or the finding that it is none."""
    try:
        found = yaml.load_all(text, Loader=_LOADER)
        return [document for document in found if document is not None], []
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark is not None else ""
        return [], [Finding(file, where, f"this is not YAML: {getattr(error, 'problem', error)}")]


def mapping(file: str, text: str) -> tuple[dict[str, Any], list[Finding]]:
    """The one mapping that a file holds; empty, with a finding, when it holds something else."""
    found, findings = documents(file, text)
    if findings:
        return {}, findings
    if len(found) != 1 or not isinstance(found[0], dict):
        return {}, [Finding(file, "", "one mapping is expected", "begin with a key and a colon")]
    return found[0], []


def load(text: str) -> Any:
    """The first document of what a system says in YAML; None when it is none."""
    found, _ = documents("", text)
    return found[0] if found else None


def unknown_keys(file: str, where: str, given: Mapping[str, Any], known: Iterable[str]) -> Iterator[Finding]:
    """A finding for each key that is not ``known``, with the nearest that is."""
    known = set(known)
    for key in given:
        if key not in known:
            place = f"{where}.{key}" if where else str(key)
            yield Finding(file, place, f"the key {key!r} is not known here", nearest(str(key), known))


def duration(file: str, where: str, text: object, *, zero: bool = True) -> Iterator[Finding]:
    """A finding unless ``text`` is a duration; ``zero`` says whether 0 is one."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        yield Finding(file, where, str(error))
        return
    if not seconds and not zero:
        yield Finding(file, where, "this duration must be longer than zero", "write 1s or more")


def braces(file: str, where: str, text: str) -> Iterator[Finding]:
    """A finding unless every ``{{`` of a template is closed."""
    depth, at = 0, 0
    while at < len(text):
        pair = text[at : at + 2]
        if pair == "{{":
            depth += 1
        elif pair == "}}" and depth:
            depth -= 1
        at += 2 if pair in ("{{", "}}") else 1
        if depth > 1:
            break
    if depth:
        yield Finding(file, where, "a template's {{ is not closed by }}", "close it, or write it as { {")


def entries(value: Any) -> list[dict[str, Any]]:
    """The mappings of a list; anything else is left out."""
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def words(text: str) -> frozenset[str]:
    """The words of ``text``: how the validators write down a system's keys."""
    return frozenset(text.split())
