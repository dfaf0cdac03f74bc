"""What Alloy would refuse of its configuration, or take and do wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bongsu.catalog.errors import nearest
from bongsu.stack.alloy.components import COMPONENTS, NAMES, SETTINGS, UNCHECKED, Argument, Shape
from bongsu.stack.alloy.layout import layout
from bongsu.stack.alloy.syntax import AlloySyntaxError, parse
from bongsu.stack.alloy.tree import Attribute, Block, Body, Comment
from bongsu.stack.check.alloy_habits import habits
from bongsu.stack.check.alloy_values import Known, references, values
from bongsu.stack.check.model import Finding
from bongsu.stack.systems import Version

CONFIGURATION = "alloy/config.alloy"
_DOTTED_FUNCTIONS = Version(1, 4)


def check(files: Mapping[str, str], version: Version) -> list[Finding]:
    """What is wrong with every ``alloy/*.alloy`` for that version."""
    return [
        finding
        for name, text in sorted(files.items())
        if name.startswith("alloy/") and name.endswith(".alloy")
        for finding in check_text(text, version, name)
    ]


def check_text(text: str, version: Version, file: str = CONFIGURATION) -> list[Finding]:
    """What is wrong with one configuration."""
    try:
        body = parse(text)
    except AlloySyntaxError as error:
        return [Finding(file, f"line {error.line}", error.message)]
    found = _Findings(file, body, version)
    return sorted(set(found.all()), key=lambda finding: (int(finding.where.split()[-1]), finding.message))


@dataclass(frozen=True, slots=True)
class _Findings:
    file: str
    body: Body
    version: Version

    def all(self) -> Iterator[Finding]:
        known = Known.of(self.body)
        seen: dict[tuple[str, str], int] = {}
        for statement in self.body:
            if isinstance(statement, Comment):
                continue
            if isinstance(statement, Attribute):
                yield self._at(
                    statement.line, f"{statement.name} = … stands in no block", "put it in its block"
                )
                continue
            yield from self._top(statement, seen)
            yield from (self._at(*r) for r in references(statement, known))
            yield from (self._at(*h) for h in habits(statement))
            if self.version < _DOTTED_FUNCTIONS and "sys.env(" in layout((statement,)):
                yield self._at(statement.line, f"Alloy {self.version} has no sys.env", "use 1.4 or later")

    def _top(self, block: Block, seen: dict[tuple[str, str], int]) -> Iterator[Finding]:
        if block.name in UNCHECKED:
            return
        if block.name in SETTINGS:
            if block.label:
                yield self._at(block.line, f"{block.name} has no label", f"write {block.name} {{")
            yield from self._shaped(block, SETTINGS[block.name], block.name)
            return
        if block.name not in NAMES:
            known = NAMES | set(SETTINGS)
            yield self._at(block.line, f"there is no component {block.name}", nearest(block.name, known))
            return
        if not block.label:
            yield self._at(block.line, f"{block.name} has no label", f'write {block.name} "name" {{')
        earlier = seen.setdefault((block.name, block.label), block.line)
        if earlier != block.line:
            name = f'{block.name} "{block.label}"'
            yield self._at(block.line, f"{name} is there already, in line {earlier}", "give it another label")
        if block.name in COMPONENTS:
            yield from self._shaped(block, COMPONENTS[block.name].shape, block.name)

    def _shaped(self, block: Block, shape: Shape, path: str) -> Iterator[Finding]:
        given: set[str] = set()
        for attribute in block.attributes():
            if attribute.name in given:
                yield self._at(attribute.line, f"{attribute.name} is set twice", "keep one")
            given.add(attribute.name)
            yield from self._attribute(attribute, shape, path)
        for inner in block.blocks():
            if inner.name in shape.blocks:
                yield from self._shaped(inner, shape.blocks[inner.name], f"{path} > {inner.name}")
            elif inner.name in shape.others:
                continue
            elif inner.name in shape.arguments:
                yield self._at(inner.line, f"{inner.name} is no block of {path}", f"write {inner.name} = …")
            else:
                hint = nearest(inner.name, shape.blocks)
                yield self._at(inner.line, f"{path} has no block {inner.name}", hint)
        for name, argument in shape.arguments.items():
            if argument.required and name not in given:
                yield self._at(block.line, f"{path} needs {name}", f"set {name} ({argument.type})")
        for name in sorted(shape.required - {inner.name for inner in block.blocks()}):
            yield self._at(block.line, f"{path} needs a block {name}", f"write {name} {{ … }}")

    def _attribute(self, attribute: Attribute, shape: Shape, path: str) -> Iterator[Finding]:
        argument: Argument | None = shape.arguments.get(attribute.name)
        if argument is not None:
            for message, fix in values(attribute, argument):
                yield self._at(attribute.line, f"{path} > {attribute.name}: {message}", fix)
        elif attribute.name in shape.others:
            return
        elif attribute.name in shape.blocks:
            fix = f"write {attribute.name} {{ … }}"
            yield self._at(attribute.line, f"{attribute.name} is a block of {path}", fix)
        else:
            hint = nearest(attribute.name, shape.arguments)
            yield self._at(attribute.line, f"{path} has no argument {attribute.name}", hint)

    def _at(self, line: int, message: str, fix: str = "") -> Finding:
        return Finding(self.file, f"line {line}", message, fix)
