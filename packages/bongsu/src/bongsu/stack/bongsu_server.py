"""Bongsu itself, as one system of the stack: its image, its catalog, and what its process is told."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from enum import Enum
from typing import Any

import yaml

from bongsu.catalog.secrets import Secret
from bongsu.signals.model import Hours, Model, Threshold
from bongsu.signals.quantities import format_duration
from bongsu.stack.files import HEADER
from bongsu.stack.hours import hours_text
from bongsu.stack.model import Stack
from bongsu.stack.systems import SYSTEMS

CATALOG = "bongsu/bongsu.yaml"
DOCKERFILE = "bongsu/Dockerfile"
CATALOG_IN_IMAGE = "/etc/bongsu/bongsu.yaml"
"""Where the image looks for the catalog: it is mounted, so that a change needs no new image."""
DATA_IN_IMAGE = "/var/lib/bongsu"

INGEST_TOKEN = Secret(env="BONGSU_INGEST_TOKEN")
"""What senders of webhooks and telemetry show to Bongsu."""
ADMIN_TOKEN = Secret(env="BONGSU_ADMIN_TOKEN")
"""What people sign in with."""

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - of its own container
_PYTHON = "python"
_PYTHON_TAG = "3.13.9-slim-bookworm"
_PLAIN = re.compile(r"[^\W\d][\w-]{2,}")
_SOURCES = ("prometheus", "loki", "tempo", "jaeger")


def render(stack: Stack) -> dict[str, str]:
    """The catalog in one file, and the image that serves it; nothing where Bongsu is installed already."""
    if stack.place == "local":
        return {}
    return {CATALOG: _text(declared(stack)), DOCKERFILE: _dockerfile(stack)}


def environment(stack: Stack) -> dict[str, str]:
    """What the process is told by its environment, without its tokens.

    It judges the signals itself only where no other system of the stack does.
    """
    judged = stack.has("prometheus") and (stack.has("alertmanager") or stack.has("grafana"))
    return {
        "BONGSU_HOST": _EVERYWHERE,
        "BONGSU_PORT": str(SYSTEMS["bongsu"].port),
        "BONGSU_DATA": DATA_IN_IMAGE,
        "BONGSU_WATCH": "false" if judged and not stack.elsewhere else "true",
    }


def declared(stack: Stack) -> dict[str, Any]:
    """The catalog as its own text would say it, with variables filled in and secrets as files of the place.

    A catalog that names no source asks those of the stack.
    """
    document: dict[str, Any] = _plain(stack.catalog, stack)
    systems = [name for name in _SOURCES if stack.has(name) and name in stack.catalog.targets]
    if not stack.catalog.sources and "prometheus" in systems:
        document["sources"] = {name: {"type": name, "url": stack.url(name)} for name in systems}
    return document


def _text(document: Mapping[str, Any]) -> str:
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return HEADER + body


class _Dumper(yaml.SafeDumper):
    """Quotes whatever the catalog's reader refuses for meaning different things to different readers."""


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def secrets(value: object) -> Iterator[Secret]:
    """Every secret that a part of the catalog names, each once, in its order."""
    yield from dict.fromkeys(_secrets(value))


def _secrets(value: object) -> Iterator[Secret]:
    match value:
        case Secret():
            yield value
        case Model():
            for name in type(value).model_fields:
                yield from _secrets(getattr(value, name))
        case Mapping():
            for part in value.values():
                yield from _secrets(part)
        case tuple():
            for part in value:
                yield from _secrets(part)


def _plain(value: Any, stack: Stack) -> Any:
    match value:
        case Secret():
            return {"file": stack.secret_file(value)}
        case Threshold():
            hold = f" for {format_duration(value.for_)}" if value.for_ else ""
            return f"{value.op} {value.value!r}{hold}"
        case Hours():
            return hours_text(value)
        case Model():
            fields = type(value).model_fields
            given = [name for name in fields if name in value.model_fields_set]
            return {fields[name].alias or name: _plain(getattr(value, name), stack) for name in given}
        case Mapping():
            return {_plain(key, stack): _plain(part, stack) for key, part in value.items()}
        case tuple():
            return [_plain(part, stack) for part in value]
        case Enum():
            return value.value
        case date():
            return value.isoformat()
        case _:
            return value


def _dockerfile(stack: Stack) -> str:
    known = SYSTEMS["bongsu"]
    base = f"{stack.catalog.images.get(_PYTHON, _PYTHON)}:{_PYTHON_TAG}"
    probe = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{known.port}/healthz')"
    lines = [
        f"FROM {base}",
        f"RUN pip install --no-cache-dir bongsu=={stack.version('bongsu')} \\",
        f" && groupadd --gid {known.user} bongsu \\",
        f" && useradd --uid {known.user} --gid {known.user} --no-create-home bongsu \\",
        f" && install -d -o {known.user} -g {known.user} -m 0700 {DATA_IN_IMAGE}",
        f"USER {known.user}:{known.user}",
        f"ENV PYTHONUNBUFFERED=1 MPLCONFIGDIR=/tmp/matplotlib BONGSU_HOST={_EVERYWHERE}",
        f"ENV BONGSU_DATA={DATA_IN_IMAGE}",
        f"VOLUME {DATA_IN_IMAGE}",
        f"EXPOSE {known.port}",
        f'HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", "{probe}"]',
        f'ENTRYPOINT ["bongsu", "serve", "{CATALOG_IN_IMAGE}"]',
    ]
    return HEADER + "\n".join(lines) + "\n"
