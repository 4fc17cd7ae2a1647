"""Tests of plugins against a whole server, in memory and on a fake clock; for plugin authors as much as for xmppd.

:class:`ServerTestCase` is a trial test case with a server; its clients are :class:`Client`. See ``docs/testing.md``.
"""

from xmppd.testing.case import ServerTestCase
from xmppd.testing.client import Client
from xmppd.testing.component import ComponentClient
from xmppd.testing.contract import contracts
from xmppd.testing.remote import Remote
from xmppd.testing.scenario import scenario_tests
from xmppd.testing.sources import ClassSource

__all__ = ["ClassSource", "Client", "ComponentClient", "Remote", "ServerTestCase", "contracts", "scenario_tests"]
