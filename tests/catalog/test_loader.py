"""A catalog is refused with every problem at its file:line:column, or accepted and resolved."""

from pathlib import Path

import pytest

from bongsu.catalog import CatalogError, fleet_queries, load, loads, resolve
from bongsu.signals.model import Severity

REPOSITORY = Path(__file__).parents[2]

GOOD = """\
name: team
services:
  shop: {kind: fastapi, prefix: shop, depends_on: [db]}
  db: {kind: fastapi}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        loads(text)
    return [f"{p.place.line}:{p.place.column} {p.message} | {p.hint}" for p in caught.value.problems]


BROKEN = {
    "duplicate key": (
        "name: a\nname: b\n",
        "2:1 key 'name' is given twice | the first one stands at line 1",
    ),
    "unknown key": ("name: a\nservises: {}\n", "2:1 unknown key 'servises' | did you mean 'services'?"),
    "unknown key of a service": (
        "name: a\nservices:\n  s: {kind: fastapi, owners: x}\n",
        "3:22 unknown key 'owners' | did you mean 'owner'?",
    ),
    "missing name": ("services: {}\n", "1:1 'name' is missing | "),
    "missing kind": ("name: a\nservices:\n  s: {tier: 1}\n", "3:3 'kind' is missing | "),
    "unknown kind": (
        "name: a\nservices:\n  s: {kind: fastapy}\n",
        "3:13 there is no kind 'fastapy' | did you mean 'fastapi'?",
    ),
    "dangling dependency": (
        GOOD + "  x: {kind: fastapi, depends_on: [dbb]}\n",
        "5:35 there is no service 'dbb' | did you mean 'db'?",
    ),
    "dependency circle": (
        GOOD.replace("db: {kind: fastapi}", "db: {kind: fastapi, depends_on: [shop]}"),
        "3:51 services depend on one another in a circle: shop → db → shop | leave out the weaker direction",
    ),
    "dangling owner": (
        "name: a\nowners: {ops: {}}\nservices:\n  s: {kind: fastapi, owner: opps}\n",
        "4:29 there is no owner 'opps' | did you mean 'ops'?",
    ),
    "dangling channel": (
        "name: a\nroutes:\n  - to: pager\n",
        "3:9 there is no channel 'pager' | none are declared",
    ),
    "literal secret": (
        "name: a\nchannels:\n  d: {type: discord, webhook: 'https://example.org'}\n",
        "3:31 a secret is not written here; name it as {env: NAME} or {file: PATH} | ",
    ),
    "unknown channel type": (
        "name: a\nsources:\n  p: {type: prometeus, url: x}\n",
        "3:13 'prometeus' is not a known type | did you mean 'prometheus'?",
    ),
    "unknown form": (
        "name: a\nkinds:\n  k:\n    signals:\n      s: {form: ration, metric: m}\n",
        "5:17 'ration' is not a known form | did you mean 'ratio'?",
    ),
    "no such signal": (
        GOOD.replace("prefix: shop", 'thresholds: {eror_ratio: {P1: "> 5%"}}'),
        "3:38 this service has no signal 'eror_ratio' | did you mean 'error_ratio'?",
    ),
    "threshold that cannot happen": (
        GOOD.replace("prefix: shop", 'thresholds: {error_ratio: {P1: "> 500%"}}'),
        "3:56 the condition '> 5' can never hold | a ratio lies between 0 and 1; write 5% or 0.05",
    ),
    "threshold of another dimension": (
        GOOD.replace("prefix: shop", 'thresholds: {latency_p95: {P1: "> 5%"}}'),
        "3:56 this signal is measured in s, the threshold in ratio | ",
    ),
    "threshold that is no condition": (
        GOOD.replace("prefix: shop", "thresholds: {error_ratio: {P1: often}}"),
        "3:56 'often' is not a condition; write it like '> 5% for 5m' or '< 1 for 2m' | ",
    ),
    "bad duration": (
        "name: a\nwatch: {interval: soon}\n",
        "2:19 'soon' is not a duration; write it like 30s, 5m, 1h30m or 7d | ",
    ),
    "bad time zone": (
        "name: a\ntimezone: Asia/Soul\n",
        "2:11 'Asia/Soul' is not a time zone; write it like Asia/Seoul or UTC | ",
    ),
    "unquoted yes": (
        "name: yes\n",
        "1:7 'yes' means different things to YAML readers | write true, false, or quote it",
    ),
    "sexagesimal": (
        "name: a\nservices:\n  s: {kind: fastapi, tier: 1:30}\n",
        "3:28 '1:30' is a base-60 or octal number to some YAML readers | quote it: \"1:30\"",
    ),
    "octal": (
        "name: a\nservices:\n  s: {kind: fastapi, tier: 010}\n",
        "3:28 '010' is a base-60 or octal number to some YAML readers | quote it: \"010\"",
    ),
    "bad indentation": (
        "name: a\n  services: {}\n",
        "2:11 mapping values are not allowed in this context | check indentation and quotes",
    ),
    "unset variable": (
        "name: ${TEAM}\n",
        "1:7 environment variable TEAM is not set | set it, or give a default: ${TEAM:-value}",
    ),
    "maintenance that ends before it starts": (
        "name: a\nmaintenance:\n  - {start: '2026-01-02T00:00:00Z', end: '2026-01-01T00:00:00Z'}\n",
        "3:5 a maintenance window must end after it starts | ",
    ),
    "YAML tag": (
        "name: !!python/object:os.system a\n",
        "1:7 YAML tag 'tag:yaml.org,2002:python/object:os.system' is not allowed | write a plain value",
    ),
    "top level list": ("- a\n- b\n", "1:1 a catalog must be a mapping | begin with: name: my-team"),
    "tab indentation": (
        "name: a\nservices:\n\ts: {kind: fastapi}\n",
        "3:1 found character that cannot start any token | while scanning for the next token",
    ),
    "merge key": (
        "name: a\nservices:\n  s: {<<: {kind: fastapi}}\n",
        "3:7 YAML merge keys are not supported | use a kind, or defaults",
    ),
    "unknown severity": (
        GOOD.replace("prefix: shop", 'thresholds: {error_ratio: {P5: "> 5%"}}'),
        "3:56 'P5' is not allowed here; write 'P1', 'P2', 'P3' or 'P4' | ",
    ),
    "unknown severity of a route": (
        "name: a\nchannels: {c: {type: discord, webhook: {env: H}}}\nroutes:\n  - {to: c, severity: P9}\n",
        "4:23 'P9' is not allowed here; write 'P1', 'P2', 'P3' or 'P4' | ",
    ),
    "tier out of range": (
        "name: a\nservices:\n  s: {kind: fastapi, tier: 9}\n",
        "3:28 'tier' must be less than or equal to 4, not 9 | ",
    ),
    "prefix that no metric can have": (
        "name: a\nservices:\n  s: {kind: fastapi, prefix: 9-shop}\n",
        "3:30 '9-shop' cannot be a 'prefix' | it must match ^[a-zA-Z_:]?[a-zA-Z0-9_:]*$",
    ),
    "negative duration": ("name: a\nwatch: {interval: -5}\n", "2:19 a duration must be zero or more | "),
    "unknown unit": (
        GOOD.replace("prefix: shop", 'thresholds: {latency_p95: {P1: "> 5 parsecs"}}'),
        "3:56 unit 'parsecs' is not known; known units: %, ns, us, µs, ms, s, min, m, h, "
        "d, B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, /s, /min, /m, /h | ",
    ),
    "kinds that extend one another": (
        "name: a\nkinds:\n  one: {extends: [two]}\n  two: {extends: [one]}\n",
        "3:3 kinds extend one another: one → two → one | ",
    ),
    "kind that extends nothing known": (
        "name: a\nkinds:\n  x: {extends: [fastapj]}\n",
        "3:17 there is no kind 'fastapj' | did you mean 'fastapi'?",
    ),
    "quantile out of range": (
        "name: a\nkinds:\n  k:\n    signals:\n      s: {form: quantile, metric: m, q: 95}\n",
        "5:41 'q' must be less than 1, not 95 | ",
    ),
    "signal without a metric": (
        "name: a\nkinds:\n  k:\n    signals:\n      s: {form: rate}\n",
        "5:7 'metric' is missing | ",
    ),
    "objective of no signal": (
        GOOD.replace("prefix: shop", "objectives: {api: {signal: eror_ratio, target: 99.9%}}"),
        "3:52 there is no signal 'eror_ratio' | did you mean 'error_ratio'?",
    ),
    "default threshold of no signal": (
        "name: a\ndefaults: {thresholds: {eror_ratio: {P1: '> 5%'}}}\n",
        "2:25 no kind has a signal 'eror_ratio' | did you mean 'error_ratio'?",
    ),
    "rotation with a stranger": (
        "name: a\nowners:\n  ops: {oncall: {members: [kim], start: 2026-01-01}}\n",
        "3:28 there is no owner 'kim' | known: ops",
    ),
    "secret in two places": (
        "name: a\nchannels:\n  d: {type: discord, webhook: {env: A, file: /b}}\n",
        "3:31 a secret has exactly one of env and file | ",
    ),
    "bad hours": (
        "name: a\nchannels: {c: {type: discord, webhook: {env: H}}}\nroutes:\n  - {to: c, during: always}\n",
        "4:21 'always' are no hours; write them like 'mon-fri 09:00-18:00' or 'sat,sun' | ",
    ),
    "report to no channel": (
        'name: a\nreport: {at: "23:00", to: nowhere}\n',
        "2:27 there is no channel 'nowhere' | none are declared",
    ),
    "report at no time": (
        'name: a\nchannels: {c: {type: discord, webhook: {env: H}}}\nreport: {at: "25:00", to: c}\n',
        '3:14 \'25:00\' is not a time of day; write it like "09:00" or "23:00" | ',
    ),
    "maintenance of no service": (
        "name: a\nmaintenance:\n"
        "  - {services: [ghost], start: '2026-01-01T00:00:00Z', end: '2026-01-02T00:00:00Z'}\n",
        "3:17 there is no service 'ghost' | none are declared",
    ),
    "route without a channel": ("name: a\nroutes:\n  - {severity: P1}\n", "3:5 'to' is missing | "),
    "ratio below zero": (
        GOOD.replace("prefix: shop", 'thresholds: {error_ratio: {P1: "< 0"}}'),
        "3:56 the condition '< 0' can never hold | a ratio lies between 0 and 1; write 5% or 0.05",
    ),
    "unknown language": ("name: a\nlanguage: fr\n", "2:11 'language' must be 'en' or 'ko', not 'fr' | "),
    "not a mapping": ("name: a\nservices: [s]\n", "2:11 'services' must be a mapping (name: value) | "),
    "name with spaces": (
        "name: my team\n",
        "1:7 'my team' cannot be a 'name' | it must match ^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    ),
    "unknown source type": ("name: a\nsources: {p: {url: x}}\n", "2:11 'type' is missing | "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_catalog_is_refused_at_its_place_with_a_hint(name: str) -> None:
    text, expected = BROKEN[name]
    assert expected in problems_of(text)


def test_every_problem_is_told_at_once() -> None:
    found = problems_of(
        "name: a\nlanguage: fr\ntimezone: Nowhere\nservices:\n  s: {kind: fastapi, tier: 9}\n"
    )
    assert [line.split(" ")[0] for line in found] == ["2:11", "3:11", "5:28"]


def test_problems_of_form_do_not_hide_dangling_names_elsewhere() -> None:
    found = problems_of(
        "name: a\n"
        "languag: ko\n"
        "services:\n"
        "  good: {kind: fastapi, depends_on: [bad, gone], owner: nobody}\n"
        "  bad: {kind: fastapi, tier: 9}\n"
        'defaults: {thresholds: {error_ratio: {P1: "> 500%"}}}\n'
    )
    assert [line.split(" | ")[0] for line in found] == [
        "2:1 unknown key 'languag'",
        "4:43 there is no service 'gone'",
        "4:57 there is no owner 'nobody'",
        "5:30 'tier' must be less than or equal to 4, not 9",
    ]


def test_a_problem_shows_the_offending_line() -> None:
    with pytest.raises(CatalogError) as caught:
        loads("name: a\nservises: {}\n")
    assert "    servises: {}\n    ^" in str(caught.value)


def test_hostile_aliases_do_not_exhaust_memory() -> None:
    levels = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for before, after in zip("abcdefgh", "bcdefghi", strict=True):
        levels.append(f"{after}: &{after} [{','.join([f'*{before}'] * 10)}]")
    assert any("too many values" in line for line in problems_of("\n".join(levels)))


def test_a_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"there is no catalog here\n.*bongsu init"):
        load(tmp_path / "bongsu.yaml")


def test_a_folder_and_its_includes_are_one_catalog(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "bongsu.yaml").write_text("name: team\ninclude: [services/*.yaml]\nowners: {ops: {}}\n")
    (tmp_path / "services" / "a.yaml").write_text("services: {a: {kind: fastapi, owner: ops}}\n")
    (tmp_path / "services" / "b.yaml").write_text("services: {b: {kind: fastapi, depends_on: [a]}}\n")
    assert set(load(tmp_path / "bongsu.yaml").services) == {"a", "b"}


def test_a_service_declared_in_two_files_names_both(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: team\nservices: {a: {kind: fastapi}}\n")
    (tmp_path / "b.yaml").write_text("services: {a: {kind: fastapi}}\n")
    with pytest.raises(CatalogError, match=r"b\.yaml:1:12: 'a' is declared twice(.|\n)*a\.yaml:2:12"):
        load(tmp_path)


def test_an_overlay_changes_only_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "overlays").mkdir()
    (tmp_path / "bongsu.yaml").write_text(GOOD)
    (tmp_path / "overlays" / "prod.yaml").write_text("timezone: Asia/Seoul\nservices: {db: {tier: 1}}\n")
    catalog = load(tmp_path / "bongsu.yaml", environment="prod")
    assert (catalog.timezone, catalog.services["db"].tier, catalog.services["shop"].prefix) == (
        "Asia/Seoul",
        1,
        "shop",
    )


def test_a_variable_is_taken_from_the_environment_or_its_default() -> None:
    catalog = loads("name: ${TEAM}\nurl: ${URL:-http://x}\n", env={"TEAM": "ops"})
    assert (catalog.name, catalog.url) == ("ops", "http://x")


def test_thresholds_are_merged_from_kind_to_catalog_to_service() -> None:
    catalog = loads(
        "name: a\n"
        'defaults: {thresholds: {error_ratio: {P2: "> 10% for 1m"}}}\n'
        "services:\n"
        '  s: {kind: fastapi, thresholds: {error_ratio: {P1: none, P3: "> 1%"}}}\n'
    )
    thresholds = resolve(catalog)["s"].signals["error_ratio"].thresholds
    assert {s: str(t) for s, t in thresholds.items()} == {Severity.P2: "> 0.1 for 1m", Severity.P3: "> 0.01"}


def test_services_that_share_a_signal_are_asked_in_one_query() -> None:
    catalog = load(REPOSITORY / "examples/shop/bongsu.yaml", env={})
    queries = fleet_queries(resolve(catalog).values())
    assert all(set(query.services) == {"gateway", "orders", "payments", "inventory"} for query in queries)
    assert len({query.name for query in queries}) == len(queries)


def test_a_secret_never_shows_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "https://secret.example")
    catalog = loads("name: a\nchannels: {d: {type: discord, webhook: {env: HOOK}}}\n")
    assert catalog.channels["d"].webhook.reveal() == "https://secret.example"
    assert "secret.example" not in repr(catalog)


def test_a_secret_that_was_written_into_the_catalog_is_not_repeated() -> None:
    with pytest.raises(CatalogError) as caught:
        loads("name: a\nchannels:\n  d: {type: discord, webhook: 'https://example.org/s3cret'}\n")
    assert "s3cret" not in str(caught.value)
