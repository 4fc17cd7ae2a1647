"""What every bundled plugin must do; a new one is found by itself."""

from __future__ import annotations

from pathlib import Path

from xmppd.core.plugins.sources import PackageSource
from xmppd.testing import contracts

globals().update(contracts(PackageSource("xmppd.plugins"), __name__, Path(__file__).parent / "first_schemas"))
