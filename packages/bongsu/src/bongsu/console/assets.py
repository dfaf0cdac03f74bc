"""The built scripts and styles, in memory with their compressed forms; a name carries its content's hash."""

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

HERE = Path(__file__).parent
BUILT = HERE / "static" / "dist"
ENTRY = "src/main.ts"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".md": "text/plain"}


@dataclass(frozen=True, slots=True)
class Asset:
    media_type: str
    body: bytes
    packed: bytes


class Assets:
    """``script`` and ``style`` are None where the pages have not been built."""

    def __init__(self, built: Path = BUILT, drawn: Path = HERE / "static") -> None:
        self._files: dict[str, Asset] = {}
        self.script: str | None = None
        self.style: str | None = None
        manifest = built / "manifest.json"
        if manifest.is_file():
            self._read_built(built, json.loads(manifest.read_bytes()))
        else:
            log.warning("the console's pages are not built; reinstall the package in this checkout")
        self.icon = self._add_drawn(drawn / "beacon.svg")

    def get(self, name: str) -> Asset | None:
        return self._files.get(name)

    def _read_built(self, built: Path, manifest: dict[str, dict[str, object]]) -> None:
        for path in built.iterdir():
            if path.suffix in _TYPES:
                self._files[path.name] = _asset(path)
        entry = manifest[ENTRY]
        self.script = str(entry["file"])
        styles = entry.get("css")
        self.style = str(styles[0]) if isinstance(styles, list) and styles else None

    def _add_drawn(self, path: Path) -> str:
        asset = _asset(path)
        name = f"{path.stem}-{hashlib.sha256(asset.body).hexdigest()[:8]}{path.suffix}"
        self._files[name] = asset
        return name


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    media_type = f"{_TYPES[path.suffix]}; charset=utf-8"
    return Asset(media_type, body, gzip.compress(body, 9, mtime=0))
