"""What tables of the settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

LOOPBACK = ("127.0.0.0/8", "::1/128")


class Section(BaseModel):
    """A table of the settings: immutable, and without room for unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
