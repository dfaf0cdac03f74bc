"""``promtool test rules``, many files at a time: a run costs half a second whatever it tests."""

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

BATCH = 60
_SECONDS = 600


class PromtoolError(Exception):
    """promtool did not answer; the text says what it said."""


@dataclass(frozen=True, slots=True)
class Verdict:
    passed: list[str]
    failed: dict[str, str]
    """Test file → what promtool said."""


def find() -> str | None:
    """The path of promtool, where it is installed."""
    return shutil.which("promtool")


def run_tests(
    binary: str, folder: Path, names: Sequence[str], told: Callable[[int], None] = lambda _: None
) -> Verdict:
    """Run the test files ``names`` of ``folder``; ``told`` hears how many are done after each batch."""
    passed: list[str] = []
    failed: dict[str, str] = {}
    for start in range(0, len(names), BATCH):
        verdict = _batch(binary, folder, names[start : start + BATCH])
        passed += verdict.passed
        failed |= verdict.failed
        told(len(passed) + len(failed))
    return Verdict(passed, failed)


def _batch(binary: str, folder: Path, names: Sequence[str]) -> Verdict:
    _, text = _run(binary, folder, names)
    parts = re.split(r"^Unit Testing:  ", text, flags=re.MULTILINE)[1:]
    texts = dict.fromkeys(names, "")
    for part in parts:
        name, _, said = part.partition("\n")
        texts[name.strip()] = said
    if any("SUCCESS" not in said and "FAILED" not in said for said in texts.values()):
        return _by_one(binary, folder, names)
    return Verdict(
        [name for name, said in texts.items() if "FAILED" not in said],
        {name: said for name, said in texts.items() if "FAILED" in said},
    )


def _by_one(binary: str, folder: Path, names: Sequence[str]) -> Verdict:
    passed, failed = [], {}
    for name in names:
        status, text = _run(binary, folder, [name])
        if status == 0:
            passed.append(name)
        else:
            failed[name] = text
    return Verdict(passed, failed)


def _run(binary: str, folder: Path, names: Sequence[str]) -> tuple[int, str]:
    command = [binary, "test", "rules", *names]
    try:
        # Names come on stdout and failures on stderr: only together does each failure follow its file.
        done = subprocess.run(  # noqa: S603
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PromtoolError(f"{binary} did not answer: {error}") from None
    return done.returncode, done.stdout
