"""What an order costs. Version 1.1.0 brought the loyalty programme, and a bug with it."""

from collections.abc import Callable, Sequence
from decimal import Decimal

Line = tuple[int, Decimal]
Pricing = Callable[[Sequence[Line], str], Decimal]

LOYALTY_DISCOUNT = {"silver": Decimal("0.05"), "gold": Decimal("0.10")}


def plain(lines: Sequence[Line], _tier: str) -> Decimal:
    return sum((quantity * price for quantity, price in lines), Decimal(0))


def with_loyalty(lines: Sequence[Line], tier: str) -> Decimal:
    discount = LOYALTY_DISCOUNT[tier]  # nobody thought of guests
    return (plain(lines, tier) * (1 - discount)).quantize(Decimal("0.01"))


def for_version(version: str) -> Pricing:
    return with_loyalty if version >= "1.1" else plain
