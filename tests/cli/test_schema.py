"""Editors and ``bongsu check`` agree on what a catalog may look like."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bongsu.catalog import CatalogError, loads, tree
from bongsu.catalog.jsonschema import as_text, catalog_schema
from bongsu.catalog.kinds import builtin_kinds
from bongsu.signals import quantities
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
SCHEMA = catalog_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CATALOGS = sorted([*ROOT.glob("examples/*/bongsu.yaml")])

BROKEN = {
    "misspelt section": ("name: a\nservises: {}\n", []),
    "misspelt key of a service": ("name: a\nservices:\n  s: {kind: fastapi, owners: x}\n", ["services", "s"]),
    "no kind": ("name: a\nservices:\n  s: {tier: 1}\n", ["services", "s"]),
    "a tier that there is not": (
        "name: a\nservices:\n  s: {kind: fastapi, tier: 9}\n",
        ["services", "s", "tier"],
    ),
    "a name with a space": ("name: a\nservices:\n  my shop: {kind: fastapi}\n", ["services"]),
    "a severity that there is not": (
        'name: a\nservices:\n  s: {kind: fastapi, thresholds: {error_ratio: {P5: "> 5%"}}}\n',
        ["services", "s", "thresholds", "error_ratio"],
    ),
    "a condition without an operator": (
        'name: a\nservices:\n  s: {kind: fastapi, thresholds: {error_ratio: {P1: "5%"}}}\n',
        ["services", "s", "thresholds", "error_ratio", "P1"],
    ),
    "a duration that is none": (
        "name: a\nwatch: {interval: 5 minutes}\n",
        ["watch", "interval"],
    ),
    "another language": ("name: a\nlanguage: fr\n", ["language"]),
    "a literal secret": (
        "name: a\nchannels:\n  d: {type: discord, webhook: 'https://example.org'}\n",
        ["channels", "d", "webhook"],
    ),
    "an unknown type": ("name: a\nsources:\n  p: {type: prometeus, url: x}\n", ["sources", "p", "type"]),
    "a key of another type": (
        "name: a\nsources:\n  p: {type: embedded, url: x}\n",
        ["sources", "p"],
    ),
    "an unknown form": (
        "name: a\nkinds:\n  k:\n    signals:\n      s: {form: ration, metric: m}\n",
        ["kinds", "k", "signals", "s", "form"],
    ),
    "a ratio without a metric": (
        "name: a\nkinds:\n  k:\n    signals:\n      s: {form: ratio}\n",
        ["kinds", "k", "signals", "s"],
    ),
    "a number where text is meant": (
        "name: a\nservices:\n  s: {kind: fastapi, labels: {port: 8080}}\n",
        ["services", "s", "labels", "port"],
    ),
    "no name": ("services: {}\n", []),
}


def errors_of(text: str) -> list[jsonschema.ValidationError]:
    return sorted(VALIDATOR.iter_errors(tree.parse(text, "bongsu.yaml").plain()), key=str)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_published_schema_is_up_to_date() -> None:
    published = (ROOT / "docs/schema/bongsu.schema.json").read_text(encoding="utf-8")
    assert published == as_text(), "run: bongsu schema > docs/schema/bongsu.schema.json"


def test_the_command_prints_it(run: Run) -> None:
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.output)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parent.name)
def test_every_example_is_valid(path: Path) -> None:
    assert errors_of(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_catalog_is_refused_at_its_place(name: str) -> None:
    text, path = BROKEN[name]
    with pytest.raises(CatalogError):
        loads(text)
    assert path in [list(error.absolute_path) for error in errors_of(text)]


@pytest.mark.parametrize(
    "entry",
    [
        "tier: ${TIER:-1}",
        "tier: '2'",
        "thresholds: {error_ratio: {P1: '> ${LIMIT:-5%} for 5m'}}",
        "thresholds: {error_ratio: {P1: '${LIMIT:-> 5%}'}}",
        "objectives: {ok: {signal: error_ratio, target: '${TARGET:-99.9%}', period: '${PERIOD:-30d}'}}",
        "active: {error_ratio: mon-fri 09:00-18:00}",
        "active: {error_ratio: [mon-fri, sat]}",
        "targets: '127.0.0.1:${PORT:-80}'",
        "scrape: {interval: '${EVERY:-30s}', timeout: 10}",
        "title: 주문",
        "title: {en: Orders, ko: 주문}",
        "signals: {x: {form: quantile, q: '${Q:-0.99}', metric: m}}",
    ],
)
def test_what_the_loader_takes_is_valid(entry: str) -> None:
    text = f"name: ${{NAME:-a}}\nlanguage: ${{LANG_:-ko}}\nservices:\n  s:\n    kind: fastapi\n    {entry}\n"
    loads(text)
    assert errors_of(text) == []


def test_a_part_may_include_others() -> None:
    assert errors_of("name: a\ninclude: services/*.yaml\n") == []
    assert errors_of("name: a\ninclude: [a.yaml, b.yaml]\n") == []


def test_shipped_kinds_are_offered_and_others_allowed() -> None:
    offered = json.dumps(SCHEMA["$defs"]["Service"]["properties"]["kind"])
    assert all(f'"{kind}"' in offered for kind in builtin_kinds())
    assert errors_of("name: a\nservices: {s: {kind: my-own}}\n") == []


def test_every_field_is_described() -> None:
    bare = [
        f"{name}.{key}"
        for name, part in {"Catalog": SCHEMA, **SCHEMA["$defs"]}.items()
        for key, place in part.get("properties", {}).items()
        if not place.get("description")
        and name in {"Catalog", "Service", "Route", "Owner", "Watch", "Defaults"}
    ]
    assert bare == []


@pytest.mark.parametrize(
    "text", ["30s", "1h30m", "1.5h", "500ms", "2 w", "5 minutes", "h", "", "-5m", "1h 30m", "5M", "3"]
)
def test_durations_are_judged_alike(text: str) -> None:
    judged: Any = VALIDATOR.evolve(schema=SCHEMA["$defs"]["Watch"]["properties"]["interval"])
    try:
        quantities.parse_duration(text)
        allowed = True
    except ValueError:
        allowed = False
    assert judged.is_valid(text) == allowed


@pytest.mark.parametrize(
    "text",
    [*(f"5 {unit}" for unit in quantities._BASE_UNITS), "5", "1e3", "-2", "5 parsecs", "%", "5 5", "5%%"],
)
def test_quantities_are_judged_alike(text: str) -> None:
    judged: Any = VALIDATOR.evolve(schema=SCHEMA["$defs"]["Ratio"]["properties"]["floor"])
    try:
        quantities.parse_quantity(text)
        allowed = True
    except ValueError:
        allowed = False
    assert judged.is_valid(text) == allowed
