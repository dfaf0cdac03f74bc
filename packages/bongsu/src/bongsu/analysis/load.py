"""How much more each service is asked to do than before."""

from collections.abc import Mapping

from bongsu.analysis.metrics import Role, role_of
from bongsu.analysis.model import Evidence
from bongsu.analysis.series import values_in

_ENOUGH = 10


def load_ratio(evidence: Evidence) -> dict[str, float]:
    """Service → requests a second, incident over baseline; by spans, else by its traffic metric.

    Services with too little traffic before to compare are left out.
    """
    return _by_metrics(evidence) | _by_spans(evidence)


def _by_spans(evidence: Evidence) -> dict[str, float]:
    counts: dict[str, dict[str, int]] = {"incident": {}, "baseline": {}}
    for call in evidence.calls:
        of = counts[call.window]
        of[call.service] = of.get(call.service, 0) + call.count
    length = max(evidence.window.end - evidence.window.start, 1.0)
    length_before = max(evidence.baseline.end - evidence.baseline.start, 1.0)
    during: Mapping[str, int] = counts["incident"]
    return {
        name: (during.get(name, 0) / length) / (count / length_before)
        for name, count in counts["baseline"].items()
        if count >= _ENOUGH
    }


def _by_metrics(evidence: Evidence) -> dict[str, float]:
    found = {}
    for metric in evidence.metrics:
        if role_of(metric) is Role.TRAFFIC:
            before, during = values_in(metric, evidence.baseline), values_in(metric, evidence.window)
            if before.size and during.size and before.mean() > 0:
                found[metric.service] = float(during[during.size // 3 :].mean() / before.mean())
    return found
