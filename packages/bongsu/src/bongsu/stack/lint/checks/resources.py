"""Metrics of well-known exporters that do not say what they seem to."""

from collections.abc import Iterator
from typing import Any

from promql_parser import AggModifierType, AggregateExpr, BinaryExpr, ParenExpr

from bongsu.signals.quantities import number
from bongsu.stack.lint import syntax
from bongsu.stack.lint.model import Check, Context, Finding

_STATES = {
    "pg_stat_activity_count": "state",
    "mongodb_connections": "state",
    "jvm_threads_states_threads": "state",
}
_LIMITS = (
    "container_spec_memory_limit_bytes",
    "container_spec_cpu_quota",
    "redis_memory_max_bytes",
    "jvm_memory_max_bytes",
)
_WAITING = ("_pending", "_waiting", "_queued", "_blocked")
_DAY = 86400.0
_LASTS = 180.0


def per_state(context: Context) -> Iterator[Finding]:
    for condition in syntax.conditions(context.tree):
        for selector, above in syntax.walk(condition.subject):
            label = _STATES.get(syntax.metric(selector)) if _is_selector(selector) else None
            if label is None or label in syntax.matched(selector) or syntax.aggregated(above):
                continue
            text = syntax.text(selector)
            better = f"sum by (job, instance) ({text}) {condition.op} {number(condition.value)}"
            if syntax.metric(selector) == "pg_stat_activity_count":
                better = (
                    f"sum by (job, instance) ({text}) / on (job, instance) "
                    "(max by (job, instance) (pg_settings_max_connections) "
                    "- max by (job, instance) (pg_settings_superuser_reserved_connections)) > 0.8"
                )
            yield context.finding(
                "per-state-compared",
                f"{syntax.metric(selector)} has a series for each {label}: 45 active and 40 idle ones stay "
                "silent at a threshold of 80",
                f"{syntax.metric(selector)}은(는) {label}마다 시계열이 따로 있어, 임계값이 80이면 "
                "active 45개와 idle 40개일 때 울리지 않습니다",
                better,
            )


def free_memory(context: Context) -> Iterator[Finding]:
    names = syntax.metrics(context.tree)
    if "node_memory_MemFree_bytes" in names and "node_memory_Cached_bytes" not in names:
        limit = next(iter(syntax.conditions(context.tree)), None)
        above = limit is None or limit.op in (">", ">=")
        better = "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
        yield context.finding(
            "memory-free",
            "MemFree leaves out the page cache, which is given back on demand: a healthy machine looks full",
            "MemFree에는 필요하면 돌려받는 페이지 캐시가 빠져 있어 정상인 서버도 가득 찬 것처럼 보입니다",
            f"1 - {better} > 0.9" if above else f"{better} < 0.1",
        )


def free_disk(context: Context) -> Iterator[Finding]:
    names = syntax.metrics(context.tree)
    used = [s for s in syntax.selectors(context.tree) if syntax.metric(s).startswith("node_filesystem_")]
    better = (
        '1 - node_filesystem_avail_bytes{fstype=~"ext[234]|xfs|btrfs"} '
        '/ node_filesystem_size_bytes{fstype=~"ext[234]|xfs|btrfs"} > 0.9 '
        "unless on (instance, device, mountpoint) node_filesystem_readonly > 0"
    )
    if "node_filesystem_free_bytes" in names:
        yield context.finding(
            "disk-free",
            "`free` counts blocks that are reserved for root: the disk is full for everyone else "
            "before it is 0",
            "`free`에는 root 예약 블록이 들어 있어, 0이 되기 전에 일반 프로세스는 이미 디스크를 쓸 "
            "수 없습니다",
            better,
        )
    elif "node_filesystem_avail_bytes" in names and not any(
        {"fstype", "mountpoint", "device"} & syntax.matched(selector).keys() for selector in used
    ):
        yield context.finding(
            "disk-every-filesystem",
            "tmpfs, overlay and read-only file systems count too: a mounted image is always full",
            "tmpfs, overlay, 읽기 전용 파일 시스템도 포함됩니다. 마운트된 이미지는 늘 가득 차 있습니다",
            better,
        )


def unlimited(context: Context) -> Iterator[Finding]:
    for node, _ in syntax.walk(context.tree):
        if not isinstance(node, BinaryExpr) or str(node.op) != "/":
            continue
        limits = [name for name in syntax.metrics(node.rhs) if name in _LIMITS]
        if limits and not _above_zero(node.rhs):
            condition = next(iter(syntax.conditions(context.tree)), None)
            rest = f" {condition.op} {number(condition.value)}" if condition else ""
            yield context.finding(
                "limit-zero",
                f"{limits[0]} is 0 or -1 where there is no limit: the quotient is infinite or negative",
                f"제한이 없으면 {limits[0]}이(가) 0이나 -1이어서 나눈 값이 무한대나 음수가 됩니다",
                f"{syntax.text(node.lhs)} / ({syntax.text(syntax.bare(node.rhs))} > 0){rest}",
            )


def _above_zero(node: Any) -> bool:
    return any(
        isinstance(each, BinaryExpr) and str(each.op) in (">", "!=") and syntax.constant(each.rhs) == 0
        for each, _ in syntax.walk(node)
    )


def jvm_pools(context: Context) -> Iterator[Finding]:
    for selector in syntax.selectors(context.tree):
        if syntax.metric(selector) in ("jvm_memory_used_bytes", "jvm_memory_max_bytes"):
            if "area" in syntax.matched(selector) or not syntax.binary(_judged(context), "/"):
                continue
            yield context.finding(
                "jvm-pools",
                "non-heap pools have no maximum (-1) and hide a full heap; heap in use before a collection "
                "says little",
                "논힙 풀은 최댓값이 없어(-1) 힙이 가득 찬 것을 가립니다. 수집 전의 힙 사용량은 "
                "의미가 적습니다",
                "jvm_gc_live_data_size_bytes / (jvm_gc_max_data_size_bytes > 0) > 0.9",
            )
            return


def _judged(context: Context) -> Any:
    condition = next(iter(syntax.conditions(context.tree)), None)
    return condition.subject if condition else context.tree


def volumes(context: Context) -> Iterator[Finding]:
    for node, above in syntax.walk(context.tree):
        name = syntax.metric(node) if _is_selector(node) else ""
        if name.startswith("kubelet_volume_stats_") and not syntax.aggregated(above):
            if any(syntax.call(each, "predict_linear") for each in above):
                continue
            yield context.finding(
                "volume-copies",
                "a volume that several nodes mount has a series for each, and a read-only one is "
                "full by design",
                "여러 노드가 마운트한 볼륨은 노드마다 시계열이 생기고, 읽기 전용 볼륨은 가득 찬 "
                "것이 정상입니다",
                "max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_available_bytes) "
                "/ max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_capacity_bytes) < 0.15 "
                "unless on (namespace, persistentvolumeclaim) "
                '(kube_persistentvolumeclaim_access_mode{access_mode="ReadOnlyMany"} > 0)',
            )
            return


def sampled_spike(context: Context) -> Iterator[Finding]:
    if not context.rule.alert or context.rule.hold >= 2 * 60:
        return
    for condition in syntax.conditions(context.tree):
        names = [name for name in syntax.metrics(condition.subject) if name.endswith(_WAITING)]
        if names and (condition.op, condition.value) == (">", 0.0) and not syntax.window(condition.subject):
            selector = syntax.text(next(syntax.selectors(condition.subject)))
            yield context.finding(
                "sampled-spike",
                f"{names[0]} is a sample of one moment: a spike of a millisecond fires, one "
                "between scrapes does not",
                f"{names[0]}은(는) 한순간의 값이라 1ms짜리 변동에도 울리고, 수집 사이의 변동은 놓칩니다",
                f"min_over_time({selector}[3m]) > 0  # for: 2m",
            )


def gc_pause(context: Context) -> Iterator[Finding]:
    names = set(syntax.metrics(context.tree))
    better = (
        "jvm_gc_pause_seconds_max > 0.5  # for: 4m\n"
        "sum by (job, instance) (rate(jvm_gc_pause_seconds_sum[5m])) > 0.1  # for: 5m"
    )
    if {"jvm_gc_pause_seconds_sum", "jvm_gc_pause_seconds_count"} <= names:
        yield context.finding(
            "gc-pause-averaged",
            "an average hides the worst: a pause of 20 s among a hundred short ones is 0.2 s",
            "평균은 최악을 가립니다. 짧은 정지 백 번 사이의 20초 정지가 0.2초로 보입니다",
            better,
        )
    elif "jvm_gc_pause_seconds_max" in names and context.rule.alert and context.rule.hold <= _LASTS:
        yield context.finding(
            "gc-pause-lingers",
            "one pause stays in this maximum for about three minutes, so that a shorter `for` "
            "tells of single ones",
            "정지 한 번이 이 최댓값에 3분쯤 남으므로, `for`가 그보다 짧으면 한 번의 정지에도 울립니다",
            better,
        )


def cpu_labels(context: Context) -> Iterator[Finding]:
    for node, _ in syntax.walk(context.tree):
        if not isinstance(node, AggregateExpr) or "node_cpu_seconds_total" not in syntax.metrics(node.expr):
            continue
        by = node.modifier is None or node.modifier.type == AggModifierType.By
        kept = set(node.modifier.labels) if node.modifier else set()
        if by and "job" not in kept:
            yield context.finding(
                "cpu-labels-dropped",
                "a busy CPU is a cause, not a symptom, and the sum drops the labels that say whose it is: "
                "keep them, wait long, and warn only",
                "CPU 사용률은 증상이 아니라 원인이며, 합치면서 누구의 CPU인지 알려 주는 레이블이 사라집니다. "
                "레이블을 남기고 오래 지켜본 뒤 경고로만 알리세요",
                '1 - avg without (cpu) (rate(node_cpu_seconds_total{mode="idle"}[5m])) > 0.8'
                "  # for: 15m, severity: warning",
            )
            return


def certificate(context: Context) -> Iterator[Finding]:
    for condition in syntax.conditions(context.tree):
        if "probe_ssl_earliest_cert_expiry" not in syntax.metrics(condition.subject):
            continue
        days = condition.value if syntax.binary(condition.subject, "/") else condition.value / _DAY
        if condition.op in ("<", "<=") and 29 <= days <= 90:
            yield context.finding(
                "certificate-at-renewal",
                f"Let's Encrypt renews with about 30 days left: at {days:g} days it fires before "
                "every renewal",
                f"Let's Encrypt는 30일쯤 남았을 때 갱신하므로 {days:g}일이면 갱신할 때마다 울립니다",
                "last_over_time(probe_ssl_earliest_cert_expiry[10m]) - time() < 14 * 86400  # for: 1h",
            )


def stub_status(context: Context) -> Iterator[Finding]:
    for selector in syntax.selectors(context.tree):
        if syntax.metric(selector) == "nginx_http_requests_total" and "status" in syntax.matched(selector):
            yield context.finding(
                "nginx-status",
                "nginx's stub_status has no status codes: this never matches; count them in the access log",
                "nginx의 stub_status에는 상태 코드가 없어 이 조건에 맞는 시계열이 없습니다. 접근 "
                "로그에서 세세요",
            )


def _is_selector(node: Any) -> bool:
    return hasattr(node, "matchers") and not isinstance(node, ParenExpr)


CHECKS: tuple[Check, ...] = (
    per_state,
    free_memory,
    free_disk,
    unlimited,
    jvm_pools,
    volumes,
    sampled_spike,
    gc_pause,
    cpu_labels,
    certificate,
    stub_status,
)
