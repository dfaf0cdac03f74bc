"""Secrets are named in the catalog and read from the environment or a file when they are used."""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from bongsu.signals.model import Model

LITERAL_REFUSED = "a secret is not written here"
"""How the refusal of a literal begins; the line that holds it is never shown."""


class SecretError(Exception):
    """A secret cannot be read; the text names the variable or file, never the value."""


class Secret(Model):
    """``{env: NAME}`` or ``{file: PATH}``; a literal is refused so that none lands in a repository."""

    env: str = Field(default="", pattern=r"^[A-Za-z_]?[A-Za-z0-9_]*$")
    file: str = ""

    @model_validator(mode="before")
    @classmethod
    def _refuse_literal(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"{LITERAL_REFUSED}; name it as {{env: NAME}} or {{file: PATH}}")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> "Secret":
        if bool(self.env) == bool(self.file):
            raise ValueError("a secret has exactly one of env and file")
        return self

    def reveal(self) -> str:
        """The secret's value; SecretError when it is not set, cannot be read or is empty."""
        if self.env:
            value = os.environ.get(self.env, "")
            where = f"environment variable {self.env}"
        else:
            where = f"file {self.file}"
            try:
                value = Path(self.file).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SecretError(f"cannot read the secret in {where}: {error.strerror}") from None
        if not value:
            raise SecretError(f"the secret in {where} is not set")
        return value
