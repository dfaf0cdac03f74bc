"""Which alerts Alertmanager keeps to itself, because another one already says it."""

from typing import Any

from bongsu.signals.model import Presence, Severity
from bongsu.stack.model import Stack
from bongsu.stack.rules import WORDS

_WHO = ("service", "signal", "job")


def inhibit_rules(stack: Stack) -> list[dict[str, Any]]:
    """A worse severity mutes the lesser ones of the same thing; a service that is gone, its symptoms.

    The same thing is the same service, signal and group: a full disk does not mute another one. Nothing
    mutes what is worse than itself. A dependency that is down mutes nothing of those who call it, as only
    their alerts say how far the trouble reaches.
    """
    return [*_lesser(stack), *_symptoms(stack)]


def _lesser(stack: Stack) -> list[dict[str, Any]]:
    signals = [(s.labels_of(name), signal) for s in stack.services for name, signal in s.signals.items()]
    inner = {label for labels, signal in signals for label in (*labels, *signal.by)} - set(_WHO)
    worst_first = sorted(WORDS)
    return [
        {
            "source_matchers": [f'severity="{WORDS[worse]}"', 'signal!=""'],
            "target_matchers": [_severity(worst_first[number + 1 :])],
            "equal": [*_WHO, *sorted(inner)],
        }
        for number, worse in enumerate(worst_first[:-1])
    ]


def _symptoms(stack: Stack) -> list[dict[str, Any]]:
    """Signals that others measure, such as cAdvisor, tell why a service is gone: they stay."""
    present = {
        (name, severity)
        for service in stack.services
        for name, signal in service.signals.items()
        if isinstance(signal, Presence) and name not in service.selectors
        for severity in signal.thresholds
    }
    signs = sorted({name for name, _ in present})
    kept = sorted({*signs, *(name for service in stack.services for name in service.selectors)})
    worst_first = sorted(WORDS)
    return [
        {
            "source_matchers": [
                f'signal=~"{"|".join(n for n in signs if (n, severity) in present)}"',
                f'severity="{WORDS[severity]}"',
                'service!=""',
            ],
            "target_matchers": [
                f'signal!~"{"|".join(kept)}"',
                'signal!=""',
                *([_severity(worst_first[worst_first.index(severity) :])] if severity.rank > 1 else []),
            ],
            "equal": ["service"],
        }
        for severity in sorted({severity for _, severity in present})
    ]


def _severity(severities: list[Severity]) -> str:
    words = [WORDS[severity] for severity in severities]
    return f'severity="{words[0]}"' if len(words) == 1 else f'severity=~"{"|".join(words)}"'
