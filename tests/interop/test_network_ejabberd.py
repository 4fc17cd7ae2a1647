"""People on our server and people on ejabberd."""

from __future__ import annotations

from tests.interop.network import federation, servers


class WithEjabberd(federation.Federation):
    """ejabberd 23 as Debian has it."""

    there_class = servers.Ejabberd
    settle = 3.0  # Mnesia's log
    unnoticed = 0.5
