"""Labels of components: letters, digits and _, and each only once."""

import re
from collections.abc import Iterable

_OTHER = re.compile(r"\W", re.ASCII)


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """Name → its label; names that would collide get a number, in the order given."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = _OTHER.sub("_", name)
        plain = f"_{plain}" if not plain or plain[0].isdigit() else plain
        label, number = plain, 2
        while label in taken:
            label, number = f"{plain}_{number}", number + 1
        taken.add(label)
        found[name] = label
    return found
