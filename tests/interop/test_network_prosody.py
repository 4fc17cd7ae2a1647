"""People on our server and people on Prosody."""

from __future__ import annotations

from tests.interop.network import federation, servers


class WithProsody(federation.Federation):
    """Prosody 0.12 as Debian has it."""

    there_class = servers.Prosody
