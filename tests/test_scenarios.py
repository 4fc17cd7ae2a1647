"""Every file in ``tests/scenarios`` is a test; see ``docs/testing.md``."""

from __future__ import annotations

from pathlib import Path

from xmppd.testing.scenario import scenario_tests

Scenarios = scenario_tests(Path(__file__).parent / "scenarios", __name__)
