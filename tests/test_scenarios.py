"""Every file in ``tests/scenarios`` is a test; see ``docs/testing.md``."""

from __future__ import annotations

from pathlib import Path

from xmppd.testing.scenario import scenario_tests

_FOLDER = Path(__file__).parent / "scenarios"
#: They are about pings, and STARTTLS, as there are over TCP.
_ABOUT_TCP = ("silent_client", "xep0199-ping", "xep0440-channel-binding")

Scenarios = scenario_tests(_FOLDER, __name__)
OverWebSocket = scenario_tests(_FOLDER, __name__, "websocket", _ABOUT_TCP, "OverWebSocket")
