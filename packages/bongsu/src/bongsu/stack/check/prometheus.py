"""What Prometheus would refuse of its configuration and rules, or take and do wrong."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bongsu.signals.quantities import parse_duration
from bongsu.stack.check import promql
from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import braces, duration, entries, mapping, unknown_keys, words
from bongsu.stack.systems import Version

CONFIGURATION = "prometheus/prometheus.yml"
RULES = "prometheus/rules/"

_TOP = words(
    "global runtime alerting rule_files scrape_config_files scrape_configs storage tracing remote_write "
    "remote_read otlp"
)
_GLOBAL = words(
    "scrape_interval scrape_timeout scrape_protocols evaluation_interval rule_query_offset external_labels "
    "query_log_file scrape_failure_log_file body_size_limit sample_limit label_limit label_name_length_limit "
    "label_value_length_limit target_limit keep_dropped_targets metric_name_validation_scheme "
    "metric_name_escaping_scheme scrape_native_histograms convert_classic_histograms_to_nhcb "
    "always_scrape_classic_histograms extra_scrape_metrics"
)
_HTTP_CLIENT = words(
    "basic_auth authorization oauth2 tls_config follow_redirects enable_http2 proxy_url no_proxy "
    "proxy_from_environment proxy_connect_header http_headers bearer_token_file"
)
_DISCOVERY = frozenset(
    f"{name}_sd_configs"
    for name in words(
        "azure consul digitalocean docker dockerswarm dns ec2 eureka file gce hetzner http ionos "
        "kubernetes kuma lightsail linode marathon nerve nomad openstack ovhcloud puppetdb scaleway "
        "serverset stackit triton uyuni vultr"
    )
) | {"static_configs"}
_SCRAPE = (
    words(
        "job_name honor_labels honor_timestamps track_timestamps_staleness params scrape_interval "
        "scrape_timeout scrape_protocols fallback_scrape_protocol scrape_native_histograms "
        "always_scrape_classic_histograms scrape_classic_histograms convert_classic_histograms_to_nhcb "
        "metrics_path scheme enable_compression scrape_failure_log_file body_size_limit sample_limit "
        "label_limit label_name_length_limit label_value_length_limit target_limit keep_dropped_targets "
        "native_histogram_bucket_limit native_histogram_min_bucket_factor metric_name_validation_scheme "
        "metric_name_escaping_scheme relabel_configs metric_relabel_configs extra_scrape_metrics"
    )
    | _HTTP_CLIENT
    | _DISCOVERY
)
_SINCE = {
    "keep_dropped_targets": Version(2, 47),
    "track_timestamps_staleness": Version(2, 48),
    "scrape_protocols": Version(2, 49),
    "enable_compression": Version(2, 50),
    "http_headers": Version(2, 55),
    "scrape_failure_log_file": Version(2, 55),
    "fallback_scrape_protocol": Version(3, 0),
    "always_scrape_classic_histograms": Version(3, 0),
    "convert_classic_histograms_to_nhcb": Version(3, 0),
    "metric_name_validation_scheme": Version(3, 0),
    "scrape_native_histograms": Version(3, 8),
}
"""Key → the first version that knows it (its changelog)."""
_RELABEL = words("source_labels separator regex modulus target_label replacement action")
_ACTIONS = words(
    "replace keep drop hashmod labelmap labeldrop labelkeep lowercase uppercase keepequal dropequal"
)
_STATIC = frozenset({"targets", "labels"})
_GROUP = frozenset({"name", "interval", "query_offset", "limit", "labels", "rules"})
_RULE = frozenset({"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"})
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def check(files: Mapping[str, str], version: Version) -> list[Finding]:
    """What is wrong with ``prometheus/prometheus.yml`` and the rules beside it, for that version."""
    findings: list[Finding] = []
    if CONFIGURATION in files:
        document, broken = mapping(CONFIGURATION, files[CONFIGURATION])
        findings += broken or _configuration(document, version)
    for file, text in files.items():
        if file.startswith(RULES):
            document, broken = mapping(file, text)
            findings += broken or rules(file, document)
    return findings


def _configuration(document: Mapping[str, Any], version: Version) -> Iterator[Finding]:
    file = CONFIGURATION
    shared = document.get("global") or {}
    yield from unknown_keys(file, "", document, _TOP)
    yield from unknown_keys(file, "global", shared, _GLOBAL)
    yield from _too_new("global", shared, version)
    for key in ("scrape_interval", "scrape_timeout", "evaluation_interval"):
        if key in shared:
            yield from duration(file, f"global.{key}", shared[key], zero=False)
    jobs = entries(document.get("scrape_configs"))
    names = Counter(str(job.get("job_name", "")) for job in jobs)
    for twice in (name for name, count in names.items() if count > 1):
        yield Finding(file, "scrape_configs", f"two jobs are named {twice!r}", "give each its own name")
    for number, job in enumerate(jobs):
        name = str(job.get("job_name") or "")
        where = f"scrape_configs[{name or number}]"
        if not name:
            yield Finding(file, where, "the job has no job_name")
        yield from _job(where, job, shared, version)


def _job(
    where: str, job: Mapping[str, Any], shared: Mapping[str, Any], version: Version
) -> Iterator[Finding]:
    file = CONFIGURATION
    yield from unknown_keys(file, where, job, _SCRAPE)
    yield from _too_new(where, job, version)
    problems = [
        finding
        for key in ("scrape_interval", "scrape_timeout")
        if key in job
        for finding in duration(file, f"{where}.{key}", job[key], zero=False)
    ]
    yield from problems
    if not problems:
        yield from _timeout_fits(where, job, shared)
    if not _DISCOVERY & job.keys():
        yield Finding(file, where, "the job has no targets", "add static_configs or a *_sd_configs")
    for static in entries(job.get("static_configs")):
        yield from unknown_keys(file, f"{where}.static_configs", static, _STATIC)
        for target in static.get("targets") or ():
            if "/" in str(target) and not _through_relabeling(job):
                fix = "write host:port; a path belongs into metrics_path, https into scheme"
                yield Finding(file, f"{where}.static_configs", f"{target!r} is not host:port", fix)
    for key in ("relabel_configs", "metric_relabel_configs"):
        for number, rule in enumerate(entries(job.get(key))):
            yield from _relabeling(f"{where}.{key}[{number}]", rule)


def _through_relabeling(job: Mapping[str, Any]) -> bool:
    """A prober's targets are addresses of any form, which relabeling makes a parameter of."""
    rules = entries(job.get("relabel_configs"))
    return any(rule.get("target_label") == "__address__" for rule in rules)


def _timeout_fits(where: str, job: Mapping[str, Any], shared: Mapping[str, Any]) -> Iterator[Finding]:
    interval = job.get("scrape_interval") or shared.get("scrape_interval") or "1m"
    timeout = job.get("scrape_timeout")
    if timeout is not None and parse_duration(timeout) > parse_duration(interval):
        message = f"scrape_timeout {timeout} is longer than the interval {interval}"
        yield Finding(CONFIGURATION, f"{where}.scrape_timeout", message, "Prometheus refuses to start so")


def _relabeling(where: str, rule: Mapping[str, Any]) -> Iterator[Finding]:
    file = CONFIGURATION
    yield from unknown_keys(file, where, rule, _RELABEL)
    action = str(rule.get("action", "replace")).lower()
    if action not in _ACTIONS:
        yield Finding(
            file, f"{where}.action", f"{action!r} is no action", f"one of {', '.join(sorted(_ACTIONS))}"
        )
    try:
        # RE2 takes nothing that Python refuses but a few classes, which the generated files do not use.
        re.compile(str(rule.get("regex", "")))
    except re.error as error:
        yield Finding(file, f"{where}.regex", f"this is no regular expression: {error}")
    if action in {"replace", "hashmod", "lowercase", "uppercase"} and not rule.get("target_label"):
        yield Finding(file, where, f"the action {action} needs a target_label")


def _too_new(where: str, given: Mapping[str, Any], version: Version) -> Iterator[Finding]:
    for key, since in _SINCE.items():
        if key in given and version < since:
            message = f"{key} needs Prometheus {since.major}.{since.minor}, declared is {version}"
            yield Finding(
                CONFIGURATION, f"{where}.{key}", message, "declare the newer version, or leave it out"
            )


def rules(file: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with the content of one file of rules."""
    yield from unknown_keys(file, "", document, {"groups"})
    groups = entries(document.get("groups"))
    for name, count in Counter(str(group.get("name", "")) for group in groups).items():
        if count > 1:
            yield Finding(file, "groups", f"two groups are named {name!r}", "give each its own name")
    seen: set[tuple[str, ...]] = set()
    for group in groups:
        where = f"groups[{group.get('name', '?')}]"
        yield from unknown_keys(file, where, group, _GROUP)
        if not group.get("name"):
            yield Finding(file, where, "the group has no name")
        if "interval" in group:
            yield from duration(file, f"{where}.interval", group["interval"])
        for rule in entries(group.get("rules")):
            name = str(rule.get("alert") or rule.get("record") or "?")
            yield from _rule(file, f"{where}.{name}", rule)
            labels = tuple(f"{key}={value}" for key, value in sorted((rule.get("labels") or {}).items()))
            identity = (name, promql.spelled(str(rule.get("expr", ""))), *labels)
            if identity in seen:
                message = f"the rule {name} stands twice with the same expression and labels"
                yield Finding(file, where, message, "remove one of them")
            seen.add(identity)


def _rule(file: str, where: str, rule: Mapping[str, Any]) -> Iterator[Finding]:
    yield from unknown_keys(file, where, rule, _RULE)
    if ("alert" in rule) == ("record" in rule):
        yield Finding(file, where, "a rule has exactly one of alert and record")
    if "record" in rule and not _METRIC.fullmatch(str(rule["record"])):
        yield Finding(file, where, f"{rule['record']!r} is not a metric name")
    problem = promql.problem(str(rule.get("expr", "")))
    if problem:
        yield Finding(file, f"{where}.expr", f"the expression is not PromQL: {problem}")
    for key in ("for", "keep_firing_for"):
        if key in rule:
            yield from duration(file, f"{where}.{key}", rule[key])
    if "record" in rule and {"for", "annotations"} & rule.keys():
        yield Finding(file, where, "a recording rule has neither for nor annotations")
    for key in ("labels", "annotations"):
        for name, text in (rule.get(key) or {}).items():
            if not _LABEL.fullmatch(str(name)) or name == "__name__":
                yield Finding(file, f"{where}.{key}", f"{name!r} is not a label name")
            yield from braces(file, f"{where}.{key}.{name}", str(text))
