"""Every example on every place: nothing is wrong, nothing is left over, nothing changes without a reason."""

from functools import cache
from pathlib import Path

import pytest

from bongsu.catalog import Catalog, load, loads
from bongsu.stack.check import compose, kubernetes, operator, terraform
from bongsu.stack.check.model import Finding
from bongsu.stack.model import PLACES, Place, Stack
from bongsu.stack.targets import render

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT.parent / "shared/data/schemas"
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/bongsu.yaml"))
MANAGED: tuple[Place, ...] = tuple(place for place in PLACES if place != "local")
EVERY = pytest.mark.parametrize(("example", "place"), [(e, p) for e in EXAMPLES for p in MANAGED])

FLEET = """
name: fleet
timezone: Asia/Seoul
targets: {prometheus: "3.5", alertmanager: "0.28", grafana: "12", loki: "3.5", tempo: "2.9"}
kubernetes: {namespace: watch, release: kps, repository: "https://git.example.com/ops.git", path: out}
scrape: {interval: 30s, timeout: 10s, port: http}
services:
  api: {kind: fastapi, runs: {namespace: shop}, depends_on: [orders]}
  orders: {kind: go-fiber, runs: {namespace: shop, helm: server.serviceMonitor}, scrape: {path: /o/metrics}}
  worker: {kind: fastapi, runs: {namespace: shop, service: false, labels: {app: worker}}}
  legacy: {kind: fastapi, targets: "10.0.0.7:9000"}
  site: {kind: blackbox, targets: "https://shop.example.com"}
  db: {kind: postgres, targets: "pg-exporter:9187"}
  stash: {kind: redis, runs: {namespace: shop}}
  machines: {kind: node}
channels:
  chat: {type: slack, webhook: {env: SLACK_WEBHOOK_URL}}
routes: [{to: chat}]
"""


def flat(catalog: Catalog, place: Place) -> dict[str, str]:
    """Every file of a stack, by its path."""
    groups = render(Stack(catalog, place))
    return {path: text for group in groups.values() for path, text in group.items()}


@cache
def rendered(example: str, place: Place) -> dict[str, str]:
    """Every file of an example; ``fleet`` is one of each kind of service."""
    catalog = loads(FLEET) if example == "fleet" else load(ROOT / f"examples/{example}/bongsu.yaml")
    return flat(catalog, place)


def findings(files: dict[str, str], release: str = "") -> list[Finding]:
    return [
        *compose.check(files),
        *kubernetes.check(files),
        *operator.check(files, release),
        *terraform.check(files),
    ]


@EVERY
def test_nothing_is_wrong_with_an_example(example: str, place: Place) -> None:
    release = load(ROOT / f"examples/{example}/bongsu.yaml").kubernetes.release
    found = findings(rendered(example, place), release)
    if (example, place) == ("aegis", "operator"):
        # That catalog is for a cluster without an operator, and names no ports.
        assert {f.where.split(": ")[1] for f in found} == {"spec.endpoints[0].port"}
    else:
        assert not found


@pytest.mark.parametrize("place", MANAGED)
def test_nothing_is_wrong_with_one_service_of_each_kind(place: Place) -> None:
    assert not findings(rendered("fleet", place), "kps")


@EVERY
def test_the_same_catalog_gives_the_same_bytes(example: str, place: Place) -> None:
    again = flat(load(ROOT / f"examples/{example}/bongsu.yaml"), place)
    assert again == rendered(example, place)


@pytest.mark.parametrize("place", MANAGED)
def test_a_removed_service_leaves_nothing(place: Place) -> None:
    text = "".join(line for line in FLEET.splitlines(keepends=True) if not line.startswith("  stash:"))
    assert [path for path, content in rendered("fleet", place).items() if "stash" in path + content]
    files = flat(loads(text), place)
    assert not [path for path, content in files.items() if "stash" in path + content]


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        ("compose", {"compose.yaml"}),
        ("kubernetes", {"kubernetes/loki.yaml"}),
        ("operator", {"kubernetes/loki.yaml"}),
        ("terraform", {"compose.yaml"}),
    ],
)
def test_an_upgrade_changes_what_runs_that_system_alone(place: Place, changed: set[str]) -> None:
    before = rendered("fleet", place)
    after = flat(loads(FLEET.replace('loki: "3.5"', 'loki: "3.5.8"')), place)
    differing = {path for path in before if after[path] != before[path]}
    assert differing == {*changed, "bongsu/bongsu.yaml"}
    for path in changed:
        old, new = before[path].splitlines(), after[path].splitlines()
        pairs = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert {b.strip() for _, b in pairs} - _digests(after[path]) == {"image: grafana/loki:3.5.8"}


def _digests(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if "bongsu.configuration:" in line}


@pytest.mark.parametrize("place", MANAGED)
def test_no_image_is_without_a_version(place: Place) -> None:
    images = [
        line.split("image:", 1)[1].strip()
        for path, text in rendered("fleet", place).items()
        if path.endswith(".yaml")
        for line in text.splitlines()
        if line.strip().startswith(("image:", "- image:")) and line.split("image:", 1)[1].strip()
    ]
    assert images
    assert not [image for image in images if ":" not in image or image.endswith(":latest")]


@pytest.mark.parametrize("place", MANAGED)
def test_an_image_comes_from_the_teams_mirror(place: Place) -> None:
    mirror = "images: {loki: registry.example.com/loki, bongsu: registry.example.com/bongsu}\n"
    files = flat(loads(FLEET + mirror), place)
    text = "".join(text for path, text in files.items() if path.endswith(".yaml"))
    assert "registry.example.com/loki:3.5.0" in text
    assert "grafana/loki" not in text


@pytest.mark.parametrize("place", MANAGED)
def test_no_secret_has_a_value(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T000/B000/value")
    monkeypatch.setenv("BONGSU_INGEST_TOKEN", "value-of-the-token")
    text = "".join(flat(loads(FLEET), place).values())
    assert "B000" not in text
    assert "value-of-the-token" not in text
