"""Metrics of the process, read from `/proc` at every scrape; absent where there is no `/proc`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .exposition import format_header, format_number

_FAMILIES = (
    ("process_resident_memory_bytes", "gauge", "Resident memory, in bytes."),
    ("process_cpu_seconds_total", "counter", "User and system CPU time, in seconds."),
    ("process_start_time_seconds", "gauge", "Start of the process, in seconds since the Unix epoch."),
    ("process_open_fds", "gauge", "Open file descriptors."),
)


class ProcessMetrics:
    """`process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_start_time_seconds` and
    `process_open_fds`, all without labels."""

    names = tuple(name for name, _, _ in _FAMILIES)

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def render(self, openmetrics: bool) -> Iterator[str]:
        """The families that can be read here."""
        try:
            values = self._read()
        except (OSError, ValueError, IndexError):
            return
        for (name, kind, documentation), value in zip(_FAMILIES, values, strict=True):
            yield format_header(name, kind, documentation, openmetrics=openmetrics)
            yield f"{name} {format_number(value)}\n"

    def _read(self) -> tuple[float, float, float, float]:
        # The command name, in parentheses, may itself hold spaces and parentheses.
        fields = (self._proc / "self/stat").read_text().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        user, system, started, pages = int(fields[11]), int(fields[12]), int(fields[19]), int(fields[21])
        return (
            pages * os.sysconf("SC_PAGE_SIZE"),
            (user + system) / ticks,
            self._boot_time() + started / ticks,
            len(os.listdir(self._proc / "self/fd")),  # noqa: PTH208
        )

    def _boot_time(self) -> int:
        for line in (self._proc / "stat").read_text().splitlines():
            if line.startswith("btime "):
                return int(line.split()[1])
        raise ValueError("no btime")
