"""XEP-0157 by scenarios, and what addresses may be."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ValidationError

from tests.plugins.kit import PluginTestCase
from xmppd.plugins.contact import Contact
from xmppd.wire.disco import INFO, ITEMS

ASK = f"<iq to='example.org' id='disco1' type='get'><query xmlns='{INFO}'/></iq>"


class Nobody(PluginTestCase):
    plugins = ("disco", "contact")

    def test_no_form(self) -> None:
        juliet = self.login("juliet@example.org/chamber")
        juliet.send(ASK)
        juliet.expect(
            f"""<iq type='result' id='disco1'><query xmlns='{INFO}'>
              <identity category='server' type='im' name='xmppd'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/></query></iq>"""
        )

    def test_options(self) -> None:
        for address in ("abuse@example.org", "", "mailto:", "mailto:a b@example.org", "1x:y"):
            self.assertRaises(ValidationError, Contact.Options, abuse=[address])
            self.assertRaises(ValidationError, Contact.Options, status=[address])
        Contact.Options(admin=["xmpp:admins@shakespeare.lit?message", "tel:+44-20-7946-0000"])


class Somebody(PluginTestCase):
    plugins = ("disco", "contact")
    config: ClassVar[Any] = {
        "contact": {
            "abuse": ["mailto:abuse@shakespeare.lit", "xmpp:abuse@shakespeare.lit"],
            "status": ["https://status.shakespeare.lit"],
        }
    }

    def test_form(self) -> None:
        juliet = self.login("juliet@example.org/chamber")
        juliet.send(ASK)
        juliet.expect(
            f"""<iq from='example.org' to='{{juliet}}' id='disco1' type='result'><query xmlns='{INFO}'>
              <identity category='server' type='im' name='xmppd'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/>
              <x xmlns='jabber:x:data' type='result'>
                <field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>
                <field var='abuse-addresses' type='list-multi'>
                  <value>mailto:abuse@shakespeare.lit</value><value>xmpp:abuse@shakespeare.lit</value></field>
                <field var='status-addresses' type='list-multi'><value>https://status.shakespeare.lit</value></field>
              </x></query></iq>"""
        )

    def test_not_of_accounts(self) -> None:
        juliet = self.login("juliet@example.org/chamber")
        juliet.send(f"<iq id='disco1' type='get'><query xmlns='{INFO}'/></iq>")
        juliet.expect(
            f"""<iq type='result' id='disco1'><query xmlns='{INFO}'><identity category='account' type='registered'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/></query></iq>"""
        )
