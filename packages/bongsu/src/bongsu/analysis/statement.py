"""Sentences whose every figure follows from evidence."""

import re
from collections.abc import Mapping

from bongsu.analysis.formula import Facts, FormulaError, Value
from bongsu.analysis.model import Figure, Say, Statement
from bongsu.analysis.wording import clip, quantity

_PLACE = re.compile(r"\{(\w+)\}")
_TEXT, _SHORT = 120, 80


def state(en: str, ko: str, *, holds: str = "", **figures: tuple[str, str]) -> Statement:
    """``figures``: name → formula and unit."""
    named = {name: Figure(formula, unit) for name, (formula, unit) in figures.items()}
    return Statement(Say(en, ko), named, holds)


def follow(statement: Statement, facts: Facts) -> Statement:
    """``statement`` with the values that the evidence gives. Raises FormulaError where it does not follow: a
    figure cannot be had, a place has no figure, a number stands outside of any, or its condition is false."""
    for text in (statement.template.en, statement.template.ko):
        if any(name not in statement.figures for name in _PLACE.findall(text)):
            raise FormulaError("a place in the sentence has no figure")
        if any(char.isdigit() for char in _PLACE.sub("", text)):
            raise FormulaError("the sentence has a number that no formula gives")
    if statement.holds and not facts.holds(statement.holds):
        raise FormulaError(f"{statement.holds}: is not so")
    values = {
        name: Figure(figure.formula, figure.unit, facts.value(figure.formula))
        for name, figure in statement.figures.items()
    }
    return Statement(statement.template, values, statement.holds)


def written(statement: Statement) -> Say:
    """The sentence with its values in it."""
    said = {
        name: _said(figure.value, figure.unit)
        for name, figure in statement.figures.items()
        if figure.value is not None
    }
    return Say(
        _filled(statement.template.en, {name: one.en for name, one in said.items()}),
        _filled(statement.template.ko, {name: one.ko for name, one in said.items()}),
    )


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), template)


def _said(value: Value, unit: str) -> Say:
    if isinstance(value, str):
        text = clip(value, _SHORT if unit == "short" else _TEXT)
        return Say(text, text)
    return quantity(value, unit)
