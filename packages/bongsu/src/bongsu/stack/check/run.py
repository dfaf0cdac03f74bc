"""All validators over the files of one stack."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bongsu.stack.check import (
    alertmanager,
    alloy,
    compose,
    crossing,
    dashboard,
    grafana,
    jaeger,
    kubernetes,
    loki,
    operator,
    prometheus,
    tempo,
    terraform,
)
from bongsu.stack.check.model import Finding
from bongsu.stack.model import Stack

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. Errors are what a system would refuse or do wrong; warnings may be meant so."""

    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    skipped: tuple[str, ...] = ()
    """What was not checked, and why: one line each."""

    def __add__(self, other: "Report") -> "Report":
        return Report(
            self.errors + other.errors, self.warnings + other.warnings, self.skipped + other.skipped
        )


Validator = Callable[[Stack, Files], Iterable[Finding]]

VALIDATORS: Mapping[str, Validator] = {
    "prometheus": lambda stack, files: prometheus.check(files, stack.version("prometheus")),
    "alertmanager": lambda stack, files: alertmanager.check(files, stack.version("alertmanager")),
    "grafana": lambda stack, files: [
        *grafana.check(files, stack.version("grafana")),
        *dashboard.check(files),
    ],
    "loki": lambda stack, files: loki.check(files, stack.version("loki")),
    "tempo": lambda stack, files: tempo.check(files, stack.version("tempo"), loopback=stack.place == "local"),
    "jaeger": lambda stack, files: jaeger.check(
        files, stack.version("jaeger"), loopback=stack.place == "local"
    ),
    "alloy": lambda stack, files: alloy.check(files, stack.version("alloy")),
    "compose": lambda _, files: compose.check(files),
    "kubernetes": lambda _, files: kubernetes.check(files),
    "operator": lambda stack, files: operator.check(files, stack.catalog.kubernetes.release),
    "terraform": lambda _, files: [*compose.check(files), *terraform.check(files)],
}
"""System or place → what judges its files. A validator is given every file and takes its own."""


def check(stack: Stack, targets: Mapping[str, Files]) -> Report:
    """What is wrong with these files, each alone and all together; in pure Python, nothing is run.

    ``targets`` is what ``stack.targets.render`` gives: system or place → path → text.
    """
    files = {path: text for group in targets.values() for path, text in group.items()}
    found = [f for name, validator in VALIDATORS.items() if name in targets for f in validator(stack, files)]
    generated = crossing.Generated(stack, files)
    errors = [*found, *crossing.errors(generated)]
    return Report(tuple(dict.fromkeys(errors)), tuple(dict.fromkeys(crossing.warnings(generated))))
