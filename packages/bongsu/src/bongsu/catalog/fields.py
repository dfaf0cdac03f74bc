"""Kinds of values that several models of the catalog share."""

import re
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
        raise ValueError("a version is text; put it in quotes")
    return value


def _time_of_day(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError(f'{text!r} is not a time of day; write it like "09:00" or "23:00"')
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://\S+", text):
        raise ValueError(f"{text!r} is not a URL; write it like https://host.example.com")
    return text


TimeZone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day), Field(examples=["23:00"])]
"""``"23:00"`` in the catalog's time zone; quoted, as YAML would read a number."""
Version = Annotated[
    str, BeforeValidator(_version), Field(pattern=r"^\d+(\.\d+){0,2}$", examples=["3.5", "12"])
]
Url = Annotated[str, AfterValidator(_url), Field(examples=["https://host.example.com"])]
