"""XEP-0092 by scenarios."""

from __future__ import annotations

import platform
from typing import Any, ClassVar

import xmppd
from tests.plugins.kit import PluginTestCase

ASK = "<iq type='get' to='example.org' id='version_1'><query xmlns='jabber:iq:version'/></iq>"


class Version(PluginTestCase):
    plugins = ("version",)

    def test_os_is_not_told(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(ASK)
        romeo.expect(
            f"""<iq type='result' to='{{romeo}}' from='example.org' id='version_1'><query xmlns='jabber:iq:version'>
              <name>xmppd</name><version>{xmppd.__version__}</version></query></iq>"""
        )


class WithOs(PluginTestCase):
    plugins = ("version",)
    config: ClassVar[Any] = {"version": {"show_os": True}}

    def test_os(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(ASK)
        romeo.expect(
            f"""<iq type='result' id='version_1'><query xmlns='jabber:iq:version'>
              <name>xmppd</name><version>{xmppd.__version__}</version>
              <os>{platform.system()} {platform.release()}</os></query></iq>"""
        )
