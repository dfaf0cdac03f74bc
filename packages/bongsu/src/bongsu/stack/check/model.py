"""What a validator finds wrong with a file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the system would refuse, or take and do wrong."""

    file: str
    where: str
    """The place in the file: a path of keys, or ``line 12``."""
    message: str
    """What is wrong."""
    fix: str = ""
    """What to write instead."""

    def __str__(self) -> str:
        place = f"{self.file}: {self.where}" if self.where else self.file
        return f"{place}: {self.message}" + (f"; {self.fix}" if self.fix else "")
