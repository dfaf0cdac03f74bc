"""What a webhook request may hold, as Discord documents it, and the words in which it refuses the rest."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
_SNOWFLAKE = re.compile(r"(0|[1-9][0-9]*)")


class Errors:
    """The ``errors`` tree of an "Invalid Form Body" answer, gathered by path."""

    def __init__(self) -> None:
        self.found: list[tuple[tuple[str, ...], str, str]] = []

    def add(self, path: Sequence[str | int], code: str, message: str) -> None:
        self.found.append((tuple(map(str, path)), code, message))

    def tree(self) -> Json:
        root: Json = {}
        for path, code, message in self.found:
            node = root
            for step in path:
                node = node.setdefault(step, {})
            node.setdefault("_errors", []).append({"code": code, "message": message})
        return root

    def __bool__(self) -> bool:
        return bool(self.found)


Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A value that may also be null unless ``nullable`` says otherwise."""

    nullable: bool = True

    def check(self, value: Any, path: Path, errors: Errors) -> None:
        if value is None:
            if not self.nullable:
                errors.add(path, "BASE_TYPE_REQUIRED", "This field is required")
            return
        self.check_value(value, path, errors)

    def check_value(self, value: Any, path: Path, errors: Errors) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Shape):
    """Lengths are in code points."""

    least: int = 0
    most: int

    def check_value(self, value: Any, path: Path, errors: Errors) -> None:
        if not isinstance(value, str):
            errors.add(path, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
        elif self.least and not self.least <= len(value) <= self.most:
            errors.add(
                path, "BASE_TYPE_BAD_LENGTH", f"Must be between {self.least} and {self.most} in length."
            )
        elif len(value) > self.most:
            errors.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {self.most} or fewer in length.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Shape):
    least: int | None = None
    most: int | None = None

    def check_value(self, value: Any, path: Path, errors: Errors) -> None:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole:
            errors.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
        elif self.most is not None and value > self.most:
            errors.add(path, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {self.most}.")
        elif self.least is not None and value < self.least:
            errors.add(path, "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {self.least}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Shape):
    most: float

    def check_value(self, value: Any, path: Path, errors: Errors) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            errors.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not float.')
        elif not 0 <= value <= self.most:
            errors.add(path, "NUMBER_TYPE_MAX", f"float value should be between 0 and {self.most}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Shape):
    def check_value(self, value: Any, path: Path, errors: Errors) -> None:
        if not isinstance(value, bool):
            errors.add(path, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snowflake(Shape):
    def check_value(self, value: Any, path: Path, errors: Errors) -> None:
        if not isinstance(value, str) or not _SNOWFLAKE.fullmatch(value):
            errors.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf(Shape):
    choices: tuple[str, ...]

    def check_value(self, value: Any, path: Path, errors: Errors) -> None:
        if value not in self.choices:
            errors.add(path, "BASE_TYPE_CHOICES", f"Value must be one of {self.choices}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Many(Shape):
    of: Shape
    most: int
    unique: bool = False

    def check_value(self, value: Any, path: Path, errors: Errors) -> None:
        if not isinstance(value, list):
            errors.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return
        if len(value) > self.most:
            errors.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {self.most} or fewer in length.")
            return
        if self.unique and any(item in value[:index] for index, item in enumerate(value)):
            errors.add(path, "SET_TYPE_ALREADY_CONTAINS_VALUE", "The set already contains this value")
        for index, item in enumerate(value):
            self.of.check(item, (*path, index), errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Shape):
    """Fields that are not named here are ignored, as Discord ignores them."""

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = ()

    def check_value(self, value: Any, path: Path, errors: Errors) -> None:
        if not isinstance(value, dict):
            errors.add(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
            return
        for name in self.required:
            if name not in value:
                errors.add((*path, name), "BASE_TYPE_REQUIRED", "This field is required")
        for name, shape in self.fields.items():
            if name in value:
                shape.check(value[name], (*path, name), errors)


_URL = Text(most=2048)
_INT = Whole()
_PICTURE = Record(
    fields={
        "url": _URL,
        "width": _INT,
        "height": _INT,
        "placeholder": Text(most=64),
        "placeholder_version": Whole(least=0, most=2147483647),
        "is_animated": Flag(),
        "description": Text(most=4096),
    }
)
_EMBED = Record(
    nullable=False,
    fields={
        "type": Text(most=152133),
        "url": _URL,
        "title": Text(most=256),
        "color": Whole(least=0, most=0xFFFFFF),
        "timestamp": Text(most=1_000_000),
        "description": Text(most=4096),
        "author": Record(fields={"name": Text(most=256), "url": _URL, "icon_url": _URL}),
        "image": _PICTURE,
        "thumbnail": _PICTURE,
        "footer": Record(fields={"text": Text(most=2048), "icon_url": _URL}),
        "fields": Many(
            most=25,
            of=Record(
                nullable=False,
                fields={
                    "name": Text(most=256, nullable=False),
                    "value": Text(most=1024, nullable=False),
                    "inline": Flag(),
                },
                required=("name", "value"),
            ),
        ),
        "provider": Record(fields={"name": Text(most=256), "url": _URL}),
        "video": _PICTURE,
    },
)
_MENTIONS = Record(
    fields={
        "parse": Many(most=1521, unique=True, of=OneOf(choices=("users", "roles", "everyone"))),
        "users": Many(most=100, unique=True, of=Snowflake()),
        "roles": Many(most=100, unique=True, of=Snowflake()),
        "replied_user": Flag(),
    }
)
_ATTACHMENT = Record(
    nullable=False,
    fields={
        "id": Snowflake(nullable=False),
        "filename": Text(least=1, most=1024),
        "description": Text(most=1024),
        "duration_secs": Number(most=2147483647),
        "waveform": Text(most=400),
        "title": Text(most=1024),
        "is_spoiler": Flag(),
        "is_remix": Flag(),
    },
    required=("id",),
)
_UPDATE_FIELDS: dict[str, Shape] = {
    "content": Text(most=2000),
    "embeds": Many(most=10, of=_EMBED),
    "allowed_mentions": _MENTIONS,
    "attachments": Many(most=10, of=_ATTACHMENT),
    "flags": _INT,
}
UPDATE = Record(nullable=False, fields=_UPDATE_FIELDS)
EXECUTE = Record(
    nullable=False,
    fields=_UPDATE_FIELDS
    | {
        "tts": Flag(),
        "username": Text(least=1, most=80),
        "avatar_url": _URL,
        "thread_name": Text(most=100),
        "applied_tags": Many(most=5, of=Snowflake(nullable=False)),
    },
)
