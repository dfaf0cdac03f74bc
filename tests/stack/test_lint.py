"""The lint of rules that others wrote: which mistakes it names, where, and what it leaves alone."""

from pathlib import Path

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.catalog import Catalog, load, loads
from bongsu.stack.files import to_yaml
from bongsu.stack.lint import LintError, lint, lint_text, syntax
from bongsu.stack.model import Stack
from bongsu.stack.prometheus import rules_of
from bongsu.stack.rules import document
from tests.stack.support import OWN_KIND
from tests.stack.test_rule_tests import SHIPPED

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/bongsu.yaml"))
RULE = """
groups:
  - name: g
    rules:
      - alert: A
        expr: {expr}
        for: {hold}
        labels: {{severity: warning}}
        annotations: {{summary: s, runbook_url: u}}
"""
MISTAKES = {
    "SlowApi": {"quantile-not-summed"},
    "ManyErrors": {"ratio-not-summed"},
    "DatabaseConnections": {"per-state-compared"},
    "PodRestarting": {"for-outlives-window"},
    "VolumeFull": {"volume-copies"},
    "DatabaseDown": {"silent-when-gone"},
    "MemoryFull": {"memory-free"},
    "NobodyConnected": {"silent-when-gone"},
    "NoFiles": {"silent-when-gone"},
    "TargetDown": {"silent-when-gone", "one-missed-scrape"},
    "SiteDown": {"silent-when-gone", "one-missed-scrape"},
    "DiskFull": {"disk-free"},
    "PoolWaits": {"sampled-spike"},
    "LongPauses": {"gc-pause-averaged"},
    "BusyCpu": {"cpu-labels-dropped"},
    "CertificateEnds": {"certificate-at-renewal"},
}


def checks(expr: str, hold: str = "5m") -> set[str]:
    return {finding.check for finding in lint_text(RULE.format(expr=f"'{expr}'", hold=hold))}


def better(expr: str, check: str, hold: str = "5m") -> str:
    found = lint_text(RULE.format(expr=f"'{expr}'", hold=hold))
    return next(finding.better for finding in found if finding.check == check)


def test_each_mistake_of_the_tutorials_is_named_with_a_better_rule() -> None:
    findings = lint([Path(__file__).with_name("tutorial.yml")])
    named: dict[str, set[str]] = {}
    for finding in findings:
        named.setdefault(finding.rule, set()).add(finding.check)
        assert finding.better
        assert finding.why.en
        assert finding.why.ko
    assert named == MISTAKES


def test_what_is_written_instead_parses_and_has_no_mistake_of_its_own() -> None:
    for finding in lint([Path(__file__).with_name("tutorial.yml")]):
        for line in finding.better.splitlines():
            expr, _, note = line.partition("  # ")
            if expr.startswith("for:"):
                continue
            promql_parser.parse(expr)
            hold = note.partition("for: ")[2].split(",")[0] or "5m"
            left = checks(expr.replace("'", "''").replace('job="…"', 'job="a"'), hold)
            assert left == set(), (finding.rule, expr)


@pytest.mark.parametrize(
    "catalog",
    [
        pytest.param(loads(SHIPPED), id="shipped kinds"),
        pytest.param(loads(OWN_KIND), id="own kind"),
        *(pytest.param(load(ROOT / "examples" / name / "bongsu.yaml"), id=name) for name in EXAMPLES),
    ],
)
def test_the_generated_rules_have_no_mistake(catalog: Catalog) -> None:
    text = to_yaml(document(rules_of(Stack(catalog)), interval=15))
    assert [f"{f.rule}: {f.check}: {f.why.en}" for f in lint_text(text)] == []


@pytest.mark.parametrize(
    ("expr", "check"),
    [
        ("histogram_quantile(0.9, sum by (job) (rate(x_seconds_bucket[5m]))) > 1", "quantile-without-le"),
        ("histogram_quantile(0.9, sum without (le) (rate(x_seconds_bucket[5m]))) > 1", "quantile-without-le"),
        ("histogram_quantile(95, sum by (le) (rate(x_seconds_bucket[5m]))) > 1", "quantile-out-of-range"),
        ("histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[5m]))) > 30", "threshold-above-buckets"),
        ("sum(rate(a_total[5m])) / sum(rate(a_total[5m])) > 5", "impossible-comparison"),
        ("probe_success > 1", "impossible-comparison"),
        ("container_memory_working_set_bytes / container_spec_memory_limit_bytes > 0.9", "limit-zero"),
        ("requests_total > 100", "counter-without-rate"),
        ("sum(rate(a_total[30s])) > 1", "short-window"),
        ("sum(irate(a_total[5m])) > 1", "irate"),
        ('absent(up{job=~"a|b"})', "absent-of-many"),
        ('up{job=~"api"} < 0.5', "regex-needless"),
        ('up{job=~"^api.*$"} < 0.5', "regex-anchored"),
        ('up{job=~".*"} < 0.5', "regex-matches-all"),
        ("sum by (job) (a) / sum by (instance) (b) > 1", "labels-differ"),
        ("sum by (job) (a) > 1 and sum by (instance) (b) > 1", "labels-differ"),
        ("sum(rate(a_total[5m]))", "no-condition"),
        ("node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.1", "disk-every-filesystem"),
        ("sum(jvm_memory_used_bytes) / sum(jvm_memory_max_bytes) > 0.9", "jvm-pools"),
        ('sum(rate(nginx_http_requests_total{status="500"}[5m])) > 1', "nginx-status"),
        ("sum(", "no-promql"),
    ],
)
def test_other_mistakes_are_named(expr: str, check: str) -> None:
    assert check in checks(expr)


@pytest.mark.parametrize(
    "expr",
    [
        "histogram_quantile(0.9, sum by (job, le) (rate(x_seconds_bucket[5m]))) > 1",
        "sum by (job) (rate(a_total[5m])) / sum by (job) (rate(b_total[5m])) > 0.1",
        "rate(x_seconds_sum[5m]) / rate(x_seconds_count[5m]) > 1",
        "sum by (job, instance) (pg_stat_activity_count) > 80",
        'pg_stat_activity_count{state="idle in transaction"} > 5',
        "sum by (job) (a) / on (job) group_left () sum by (job, pod) (b) > 1",
        "sum by (job) (a) / ignoring (pod) group_right () sum by (job, pod) (b) > 1",
        "increase(a_total[1h]) >= 3",
        "last_over_time(probe_ssl_earliest_cert_expiry[10m]) - time() < 14 * 86400",
        "pg_up == 0 or absent(pg_up)",
        "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > 0.9",
        "process_resident_memory_bytes > 1e9",
        "container_memory_working_set_bytes / (container_spec_memory_limit_bytes > 0) > 0.9",
        'up{job=~"a|b"} < 0.5',
        "changes(process_start_time_seconds[15m]) > 2",
    ],
)
def test_what_is_right_is_left_alone(expr: str) -> None:
    assert checks(expr) == set()


def test_a_better_rule_is_made_of_the_rules_own_metric() -> None:
    expr = 'histogram_quantile(0.99, rate(my_seconds_bucket{job="a"}[10m])) > 2'
    assert better(expr, "quantile-not-summed") == (
        'histogram_quantile(0.99, sum by (job, le) (rate(my_seconds_bucket{job="a"}[10m]))) > 2'
    )
    assert better("my_up == 0", "silent-when-gone") == 'my_up == 0 or absent(my_up{job="…"})'
    assert better("sum by (a) (x) / sum by (b) (y) > 1", "labels-differ").startswith("sum by (a) (x) / on ()")


def test_an_absence_that_another_file_looks_for_is_known(tmp_path: Path) -> None:
    one, two = tmp_path / "a.yml", tmp_path / "b.yml"
    one.write_text(RULE.format(expr="pg_up == 0", hold="5m"))
    two.write_text(RULE.format(expr="absent(pg_up)", hold="5m").replace("alert: A", "alert: B"))
    assert [finding.check for finding in lint([one])] == ["silent-when-gone"]
    assert lint([one, two]) == []


def test_an_alert_without_severity_text_or_link_is_told() -> None:
    text = "groups: [{name: g, rules: [{alert: A, expr: a > 1, for: 5m}]}]"
    assert {finding.check for finding in lint_text(text)} == {"no-severity", "no-summary", "no-runbook"}


def test_a_gauge_of_one_moment_needs_a_for() -> None:
    assert checks("a > 1", "0s") == {"no-for"}
    assert checks("max_over_time(a[5m]) > 1", "0s") == set()


def test_a_template_may_only_name_labels_that_the_result_has() -> None:
    text = RULE.format(expr="sum by (job) (a) > 1", hold="5m").replace(
        "summary: s", 'summary: "{{ $labels.pod }} of {{ $labels.job }}"'
    )
    (finding,) = lint_text(text)
    assert (finding.check, finding.better) == ("template-label", "sum by (job, pod) (a) > 1")
    assert "'pod'" in finding.why.en


@pytest.mark.parametrize("summary", ["{{ $value", "${value} is high", "{ $labels.job } is down"])
def test_a_broken_template_is_told(summary: str) -> None:
    text = RULE.format(expr="a > 1", hold="5m").replace("summary: s", f"summary: '{summary}'")
    assert "template-broken" in {finding.check for finding in lint_text(text)}


def test_the_same_alert_twice_is_told_with_the_place_of_the_first() -> None:
    rules = RULE.format(expr="a > 1", hold="5m")
    (finding,) = lint_text(rules + "---" + rules)
    assert finding.check == "twice"
    assert "rules.yml:5:9" in finding.why.en


def test_a_finding_stands_at_the_expression() -> None:
    (finding,) = lint_text(RULE.format(expr="requests_total > 1", hold="5m"))
    assert (finding.place.line, finding.place.column) == (6, 15)


MANIFEST = """
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: r}
spec:
  groups:
    - name: g
      rules:
        - alert: A
          expr: requests_total > 1
          for: 5m
          labels: {severity: warning}
          annotations: {summary: s, runbook_url: u}
"""


def test_manifests_are_read_among_other_documents() -> None:
    (finding,) = lint_text(f"kind: Service\n---{MANIFEST}---\nkind: Pod\n")
    assert (finding.check, finding.place.line, finding.place.column) == ("counter-without-rate", 11, 17)


def test_rules_in_a_config_map_have_the_lines_of_the_file() -> None:
    inner = RULE.format(expr="requests_total > 1", hold="5m").strip("\n")
    block = "\n".join(f"    {line}" for line in inner.splitlines())
    text = f"kind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  rules.yml: |\n{block}\n"
    (finding,) = lint_text(text)
    lines = text.splitlines()
    assert lines[finding.place.line - 1][finding.place.column - 1 :].startswith("requests_total")


def test_deprecated_matching_of_alertmanager_is_told() -> None:
    text = """
route:
  receiver: a
  routes: [{receiver: b, match: {severity: critical}}]
inhibit_rules: [{source_match: {severity: critical}, target_match_re: {severity: warning}}]
"""
    findings = lint_text(text)
    assert [finding.check for finding in findings] == ["match-deprecated"] * 3
    assert [finding.better.split(":")[0] for finding in findings] == [
        "matchers",
        "source_matchers",
        "target_matchers",
    ]


def test_recording_rules_need_no_severity() -> None:
    rule = "{record: 'a:b:c', expr: 'sum(rate(a_total[5m]))'}"
    assert lint_text(f"groups: [{{name: g, rules: [{rule}]}}]") == []


def test_the_watchdog_may_always_fire() -> None:
    text = "groups: [{name: g, rules: [{alert: Watchdog, expr: vector(1), labels: {severity: none}}]}]"
    assert lint_text(text) == []


@pytest.mark.parametrize(("text", "said"), [("a: [", "r.yml:"), ("{{ range }}\nx: y", "helm template")])
def test_a_file_that_is_no_yaml_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(LintError, match=said):
        lint_text(text, "r.yml")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LintError, match=r"nothing\.yml"):
        lint([tmp_path / "nothing.yml"])


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["groups", "rules", "alert", "expr", "for", "labels", "annotations", "kind", "spec", "x"]
                ),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_no_document_breaks_the_lint(value: object) -> None:
    lint_text(to_yaml({"groups": value}))


METRICS = st.sampled_from(["up", "a_total", "b", "c_seconds_bucket"])
EXPRESSIONS = st.recursive(
    METRICS | st.sampled_from(["1", "0.5", "time()", "vector(1)"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "/", ">", "==", "and", "or", "unless"]), inner).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        ),
        inner.map(lambda part: f"sum by (job) ({part})"),
        inner.map(lambda part: f"abs({part})"),
        METRICS.map(lambda name: f"rate({name}[5m])"),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS)
def test_any_expression_can_be_examined(expr: str) -> None:
    try:
        tree = promql_parser.parse(expr)
    except ValueError:
        return
    assert syntax.labels(tree) is None or isinstance(syntax.labels(tree), frozenset)
    promql_parser.parse(syntax.text(tree))
    lint_text(RULE.format(expr=f"'{expr}'", hold="5m"))
