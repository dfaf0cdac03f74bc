"""Kinds of values that several models of the catalog share."""

from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field


def one_or_many(value: Any) -> Any:
    """A single name or mapping stands for a list of one."""
    return [value] if isinstance(value, str | dict) else value


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not a time zone; write it like Asia/Seoul or UTC")
    return name


def _version(value: Any) -> Any:
    if isinstance(value, int | float):
        raise ValueError(f'a version is text; quote it: "{value}"')
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["23:00"])]
"""``"23:00"`` in the catalog's time zone; quoted, as YAML would read a number."""
Version = Annotated[
    str, BeforeValidator(_version), Field(pattern=r"^\d+(\.\d+){0,2}$", examples=["3.5", "12"])
]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
