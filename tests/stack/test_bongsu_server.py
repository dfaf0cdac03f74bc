"""Bongsu as one system of the stack: the catalog in one file means what the team wrote."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bongsu.catalog import Catalog, loads, resolve
from bongsu.signals.model import Hours
from bongsu.stack import bongsu_server
from bongsu.stack.hours import hours_text
from bongsu.stack.model import PLACES, Place, Stack
from tests.stack.alertmanagers import NAMES
from tests.stack.examples import example

PLACED = tuple(place for place in PLACES if place != "local")


def meaning(catalog: Catalog) -> dict[str, object]:
    """All that a catalog says, but for how its secrets are named and its thresholds were spelled."""
    text = catalog.model_dump(exclude={"channels", "heartbeat", "services", "sources", "kinds", "defaults"})
    signals = {
        name: ({n: s.model_dump() for n, s in service.signals.items()}, service.labels, service.owner)
        for name, service in resolve(catalog).items()
    }
    return text | {
        "resolved": signals,
        "channels": sorted(catalog.channels),
        "sources": sorted(catalog.sources),
    }


@pytest.mark.parametrize("place", PLACED)
@pytest.mark.parametrize("name", NAMES)
def test_the_file_means_what_the_catalog_means(name: str, place: Place) -> None:
    stack = Stack(example(name), place)
    text = bongsu_server.render(stack)[bongsu_server.CATALOG]
    again = loads(text)
    assert meaning(again) == meaning(stack.catalog)
    assert bongsu_server.render(Stack(again, place))[bongsu_server.CATALOG] == text


@pytest.mark.parametrize("name", NAMES)
def test_every_secret_is_a_file_of_the_place_and_every_variable_is_filled_in(name: str) -> None:
    stack = Stack(example(name), "compose")
    text = bongsu_server.render(stack)[bongsu_server.CATALOG]
    assert "${" not in text
    files = {secret.file for secret in bongsu_server.secrets(loads(text))}
    assert files == {stack.secret_file(secret) for secret in bongsu_server.secrets(stack.catalog)}
    assert not re.search(r"^\s*env:", text, re.MULTILINE)


@given(
    days=st.lists(st.integers(0, 6), min_size=1, unique=True),
    clock=st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda pair: pair[0] != pair[1]),
)
def test_hours_are_read_back_as_they_were_meant(days: list[int], clock: tuple[int, int]) -> None:
    hours = Hours(days=tuple(sorted(days)), start=clock[0], end=clock[1])
    again = Hours.model_validate(hours_text(hours))
    assert (again.days, again.start, again.end % 1440) == (hours.days, hours.start, hours.end % 1440)


def test_a_catalog_without_sources_asks_those_of_its_stack() -> None:
    text = 'name: t\ntargets: {prometheus: "3.5", loki: "3.5"}\nservices: {web: {kind: fastapi}}\n'
    declared = bongsu_server.declared(Stack(loads(text), "compose"))
    assert declared["sources"] == {
        "prometheus": {"type": "prometheus", "url": "http://prometheus:9090"},
        "loki": {"type": "loki", "url": "http://loki:3100"},
    }


@pytest.mark.parametrize("place", PLACED)
def test_the_image_is_pinned_and_runs_as_nobody_special(place: Place) -> None:
    text = bongsu_server.render(Stack(example("doktori"), place))[bongsu_server.DOCKERFILE]
    [base] = re.findall(r"^FROM (\S+)$", text, re.MULTILINE)
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base)
    assert re.search(r"bongsu==\d+\.\d+\.\d+ ", text)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


def test_bongsu_judges_only_what_nobody_else_does() -> None:
    def watch(name: str) -> str:
        return bongsu_server.environment(Stack(example(name), "compose"))["BONGSU_WATCH"]

    assert watch("aegis") == "false"
    assert watch("ops-monitor") == "true"


def test_where_bongsu_is_installed_it_needs_no_files() -> None:
    assert bongsu_server.render(Stack(example("aegis"), "local")) == {}


def test_text_that_yaml_readers_disagree_about_is_quoted() -> None:
    text = 'name: t\nreport: {at: "09:00", to: "y"}\nchannels: {"y": {type: discord, webhook: {env: A}}}\n'
    written = bongsu_server.render(Stack(loads(text), "compose"))[bongsu_server.CATALOG]
    assert loads(written).report == loads(text).report
    assert yaml.safe_load(written)["report"]["to"] == ["y"]
