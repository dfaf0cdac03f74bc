"""``bongsu render``: the catalog as configuration of other systems."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bongsu.cli import environment_option, say
from bongsu.cli.check import load_or_exit

if TYPE_CHECKING:
    from bongsu.catalog import Catalog, ResolvedService
    from bongsu.stack.files import Written
    from bongsu.stack.rule_tests import Skipped

_TARGETS = {"prometheus": ("prometheus",), "grafana": ("grafana",), "local": ("prometheus", "grafana")}
_NO_PROMQL = {"signoz", "datadog"}


@click.command(
    help=say(
        "Write configuration, alert rules, rule tests and dashboards.",
        "설정 파일, 알림 규칙, 규칙 테스트, 대시보드를 만듭니다.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option(
    "--target",
    type=click.Choice(list(_TARGETS)),
    default="local",
    show_default=True,
    help=say("For which system; local is all of them.", "대상 시스템. local은 전부."),
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help=say("The folder to write to.", "파일을 쓸 폴더."),
)
@click.option(
    "--alertmanager",
    default="127.0.0.1:9093",
    show_default=True,
    help=say("Where Prometheus sends alerts.", "Prometheus가 알림을 보낼 주소."),
)
@click.option(
    "--force", is_flag=True, help=say("Write over files of others.", "다른 파일이 있어도 덮어씁니다.")
)
def render(catalog: Path, environment: str, target: str, out: Path, alertmanager: str, force: bool) -> None:
    loaded = load_or_exit(catalog, environment)
    from bongsu.catalog import resolve
    from bongsu.stack.files import FilesError, sync

    services = list(resolve(loaded).values())
    asked = [s for s in services if not _elsewhere(loaded, s)]
    files: dict[str, dict[str, str]] = {}
    skipped: Sequence[Skipped] = ()
    try:
        for system in _TARGETS[target]:
            if system == "prometheus":
                files[system], skipped = _prometheus(loaded, asked, alertmanager)
            else:
                files[system] = _grafana(loaded, asked)
        written = sync(files, out, force=force)
    except (FilesError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    _tell(written, out)
    _tell_skipped(skipped, [s.name for s in services if s not in asked])


def _elsewhere(catalog: "Catalog", service: "ResolvedService") -> bool:
    """Whether the service's metrics are where PromQL is not spoken."""
    source = catalog.sources.get(service.source)
    return source is not None and source.type in _NO_PROMQL


def _prometheus(
    catalog: "Catalog", services: "list[ResolvedService]", alertmanager: str
) -> "tuple[dict[str, str], Sequence[Skipped]]":
    """The server's configuration, a file of rules for each signal, and the tests of those rules."""
    from bongsu.catalog import fleet_queries
    from bongsu.stack import prometheus
    from bongsu.stack.files import to_yaml
    from bongsu.stack.panels import slug
    from bongsu.stack.rule_tests import rule_tests
    from bongsu.stack.rules import About, alert_rules, document

    interval = catalog.scrape.interval or 15.0
    config = prometheus.render(catalog, services, alertmanager=alertmanager, scrape_interval=interval)
    files = {"prometheus.yml": config["prometheus.yml"]}
    rules = alert_rules(fleet_queries(services), language=catalog.language, about=About.of(catalog, services))
    for group in dict.fromkeys(rule.group for rule in rules):
        members = [rule for rule in rules if rule.group == group]
        files[f"rules/{slug(group)}.yml"] = to_yaml(document(members, interval=interval))
    tests = rule_tests(rules)
    for group, test in tests.files.items():
        files[f"rule_tests/{slug(group)}.yml"] = to_yaml(test)
    return files, tests.skipped


def _grafana(catalog: "Catalog", services: "list[ResolvedService]") -> dict[str, str]:
    from bongsu.stack.dashboards import dashboards, to_json

    found = dashboards(catalog, services)
    return {f"grafana/dashboards/{name}": to_json(dashboard) for name, dashboard in found.items()}


def _tell(written: "Written", out: Path) -> None:
    words = (
        ("+", written.new),
        ("~", written.changed),
        ("=", written.same),
        ("-", written.removed),
    )
    for mark, path in sorted(((m, p) for m, paths in words for p in paths), key=lambda pair: pair[1]):
        click.echo(f"  {mark} {out / path}")
    for path in written.kept:
        click.echo(
            say(
                f"  ! {out / path} is no longer generated, but was changed by hand: kept",
                f"  ! {out / path} 파일은 더 이상 생성되지 않지만 직접 수정되어 남겨 둡니다",
            ),
            err=True,
        )
    counts = [len(written.new), len(written.changed), len(written.same), len(written.removed)]
    click.echo(
        say(
            "{} new, {} changed, {} the same, {} removed", "새 파일 {}개, 변경 {}개, 그대로 {}개, 삭제 {}개"
        ).format(*counts)
    )


def _tell_skipped(skipped: "Sequence[Skipped]", elsewhere: Sequence[str]) -> None:
    for rule in skipped:
        click.echo(
            say(
                f"  no tests for {rule.rule}: {rule.reason}",
                f"  {rule.rule} 규칙은 테스트 없음: {rule.reason}",
            ),
            err=True,
        )
    if elsewhere:
        names = ", ".join(elsewhere)
        click.echo(
            say(
                f"  left out, as their metrics are not in Prometheus: {names}",
                f"  메트릭이 Prometheus에 없어 제외한 서비스: {names}",
            ),
            err=True,
        )
