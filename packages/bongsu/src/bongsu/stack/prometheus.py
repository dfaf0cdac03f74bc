"""Prometheus: what it scrapes, which rules it judges, where its alerts go, and the tests of its rules."""

from urllib.parse import urlsplit

from bongsu.catalog import ResolvedService, fleet_queries
from bongsu.signals.quantities import format_duration
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack
from bongsu.stack.panels import slug
from bongsu.stack.rule_tests import RuleTests, rule_tests
from bongsu.stack.rules import About, Rule, alert_rules, document


def render(stack: Stack) -> dict[str, str]:
    """``prometheus.yml``, a file of rules for each signal, and the tests of those rules."""
    rules = rules_of(stack)
    files = {"prometheus/prometheus.yml": to_yaml(_configuration(stack))}
    for group in dict.fromkeys(rule.group for rule in rules):
        members = [rule for rule in rules if rule.group == group]
        body = document(members, interval=_interval(stack))
        files[f"prometheus/rules/{slug(group)}.yml"] = to_yaml(body)
    for group, test in tests_of(rules).files.items():
        files[f"prometheus/rule_tests/{slug(group)}.yml"] = to_yaml(test)
    return files


def rules_of(stack: Stack) -> list[Rule]:
    """Every rule that Prometheus judges."""
    about = About.of(stack.catalog, stack.services)
    return alert_rules(fleet_queries(stack.services), language=stack.catalog.language, about=about)


def tests_of(rules: list[Rule]) -> RuleTests:
    """The tests of the rules, and the rules without any."""
    return rule_tests(rules)


def _interval(stack: Stack) -> float:
    return stack.catalog.scrape.interval or 15.0


def _configuration(stack: Stack) -> dict[str, object]:
    interval = format_duration(_interval(stack))
    config: dict[str, object] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [_scrape(service) for service in stack.services if service.spec.targets],
    }
    if stack.has("alertmanager"):
        targets = [stack.address("alertmanager")]
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": targets}]}]}
    return config


def _scrape(service: ResolvedService) -> dict[str, object]:
    urls = [urlsplit(t if "://" in t else f"http://{t}") for t in service.spec.targets]
    labels = {name: value for name, value in service.labels.items() if name != "job"}
    static: dict[str, object] = {"targets": [url.netloc for url in urls]}
    if labels:
        static["labels"] = labels
    return {
        "job_name": service.labels.get("job", service.name),
        "scheme": urls[0].scheme,
        "metrics_path": urls[0].path or "/metrics",
        "static_configs": [static],
    }
