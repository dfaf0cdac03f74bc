"""The table of pods: phase, readiness, restarts, age and memory of each."""

from typing import Any

from bongsu.signals.model import Text
from bongsu.stack.dashboards.views import Column, Query, table

_TITLE = Text(en="Pods", ko="파드 상태")
_HELP = Text(
    en="Every pod with its phase, readiness, restarts in this time range, age and memory.",
    ko="파드별 단계, 준비 여부, 조회 기간 안의 재시작, 실행 시간, 메모리입니다.",
)
_COLUMNS = {
    "namespace": Text(en="Namespace", ko="네임스페이스"),
    "pod": Text(en="Pod", ko="파드"),
    "phase": Text(en="Phase", ko="단계"),
    "Value #B": Text(en="Ready", ko="준비"),
    "Value #C": Text(en="Restarts", ko="재시작"),
    "Value #D": Text(en="Age", ko="실행 시간"),
    "Value #E": Text(en="Memory", ko="메모리"),
}
_GROUP = "by (namespace, pod)"


def pod_table(panel_id: int, selector: str, language: str, *, within: str = "") -> dict[str, Any]:
    """The pods of ``selector`` (namespaces); ``within`` keeps those of one container, as further matchers."""
    only = ""
    if within:
        only = f" and on (namespace, pod) kube_pod_container_info{{{selector}{within}}}"
    queries = [
        f"max by (namespace, pod, phase) ((kube_pod_status_phase{{{selector}}} == 1){only})",
        f'max {_GROUP} (kube_pod_status_ready{{{selector},condition="true"}}{only})',
        f"round(sum {_GROUP} "
        f"(increase(kube_pod_container_status_restarts_total{{{selector}{within}}}[$__range])))",
        f"time() - max {_GROUP} (kube_pod_start_time{{{selector}}}{only})",
        f"sum {_GROUP} (container_memory_working_set_bytes"
        f'{{{selector}{within},container!="",container!="POD"}})',
    ]
    yes, no = ("예", "아니요") if language == "ko" else ("yes", "no")
    ready = {
        "type": "value",
        "options": {
            "0": {"text": no, "color": "red", "index": 0},
            "1": {"text": yes, "color": "green", "index": 1},
        },
    }
    properties: dict[str, dict[str, Any]] = {
        "Value #B": {"mappings": [ready], "custom.cellOptions": {"type": "color-text"}},
        "Value #C": {
            "unit": "short",
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": None, "color": "text"}, {"value": 3, "color": "orange"}],
            },
            "custom.cellOptions": {"type": "color-text"},
        },
        "Value #D": {"unit": "s"},
        "Value #E": {"unit": "bytes"},
    }
    columns = [
        Column(field, title.in_(language), properties.get(field, {})) for field, title in _COLUMNS.items()
    ]
    return table(
        panel_id,
        _TITLE.in_(language),
        _HELP.in_(language),
        [Query(expr, instant=True, table=True) for expr in queries],
        columns,
        sort=_COLUMNS["Value #B"].in_(language),
        descending=False,
    )
