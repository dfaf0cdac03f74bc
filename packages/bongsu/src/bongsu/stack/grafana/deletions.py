"""What Grafana must be told to forget: it keeps all that it was ever provisioned with until a file says so.

A deletion stays in its file for good. Grafana reads its files only as it starts, and any number of renders
may lie between two starts; to delete what is gone already does nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bongsu.stack.check.shapes import entries, mapping
from bongsu.stack.files import to_yaml
from bongsu.stack.grafana import datasources
from bongsu.stack.model import StackError

ALERTING = "grafana/provisioning/alerting/"
PATH = f"{ALERTING}deletions.yml"
_DATASOURCES = "grafana/provisioning/datasources/"


@dataclass(frozen=True, slots=True)
class _Sort:
    """One sort of provisioned thing: where it is listed, where its deletion is, and what names it."""

    listed: str
    deleted: str
    name: str
    inner: str = ""
    """Where the named things are below what is listed."""


_SORTS = (
    _Sort("groups", "deleteRules", "uid", "rules"),
    _Sort("contactPoints", "deleteContactPoints", "uid", "receivers"),
    _Sort("muteTimes", "deleteMuteTimes", "name"),
    _Sort("templates", "deleteTemplates", "name"),
)
_SOURCES = _Sort("datasources", "deleteDatasources", "name")


def carried(files: Mapping[str, str], earlier: Mapping[str, str]) -> dict[str, str]:
    """``files``, with the deletion of what the ``earlier`` ones had, or deleted, and these do not have."""
    found = dict(files)
    before = _documents(earlier, ALERTING)
    removal = _removal(_documents(files, ALERTING), before) if before else {}
    if removal:
        found[PATH] = to_yaml({"apiVersion": 1, **removal})
    sources = _documents(files, _DATASOURCES)
    gone = _gone(sources, _documents(earlier, _DATASOURCES), _SOURCES)
    if gone:
        # Grafana deletes before it adds, and reads one file of data sources here.
        kept = {key: value for document in sources for key, value in document.items()}
        found[datasources.PATH] = to_yaml({"apiVersion": 1, **gone, **kept})
    return found


Documents = Sequence[Mapping[str, Any]]


def _removal(now: Documents, before: Documents) -> dict[str, Any]:
    """The content of the file of deletions; the tree of policies goes back to Grafana's own."""
    removal: dict[str, Any] = {}
    for sort in _SORTS:
        removal |= _gone(now, before, sort)
    had = any(document.get("policies") or document.get("resetPolicies") for document in before)
    if had and not any(document.get("policies") for document in now):
        removal["resetPolicies"] = [1]
    return removal


def _gone(now: Documents, before: Documents, sort: _Sort) -> dict[str, Any]:
    deleted = (str(e[sort.name]) for d in before for e in entries(d.get(sort.deleted)) if sort.name in e)
    gone = {*_names(before, sort), *deleted}.difference(_names(now, sort))
    return {sort.deleted: [{"orgId": 1, sort.name: name} for name in sorted(gone)]} if gone else {}


def _names(documents: Documents, sort: _Sort) -> Iterator[str]:
    for document in documents:
        for entry in entries(document.get(sort.listed)):
            for each in entries(entry.get(sort.inner)) if sort.inner else [entry]:
                if each.get(sort.name):
                    yield str(each[sort.name])


def _documents(files: Mapping[str, str], folder: str) -> list[dict[str, Any]]:
    return [
        _read(path, text)
        for path, text in files.items()
        if path.startswith(folder) and path.endswith((".yml", ".yaml"))
    ]


def _read(path: str, text: str) -> dict[str, Any]:
    found, problems = mapping(path, text)
    if problems:
        raise StackError(f"{path} is damaged, and names what Grafana must forget; restore it, or remove it")
    return found
