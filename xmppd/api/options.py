"""Options of a plugin: one declaration gives validation, documentation and the console's form.

A plugin has a nested class ``Options(Plugin.Options)`` whose fields are pydantic fields with a description and, in
the name or the description, the unit. It is filled from the host's table of the plugin's name
(``[hosts."example.org".push]``).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Field", "Options"]


class Options(BaseModel):
    """Base of all option models: unknown keys are errors, values don't change once checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)
