"""slidge as a component of our server, with the privileges it asks for (XEP-0356)."""

from __future__ import annotations

import asyncio
import os
import unittest
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from tests.interop.device import Refused
from tests.interop.network.daemon import Daemon
from tests.interop.network.federation import StageCase, eventually, our_part
from tests.interop.network.person import Person
from tests.interop.network.servers import Prosody, Site, Xmppd
from tests.interop.network.stage import COMPONENT_PORT, Domain

GATEWAY, SECRET = "verona.ours.example", "O Romeo, Romeo"
JULIET, NURSE, GROUP = f"juliet@{GATEWAY}", f"nurse@{GATEWAY}", f"capulets@{GATEWAY}"
REGISTER = "jabber:iq:register"
PUBSUB = "http://jabber.org/protocol/pubsub"
BOOKMARKS = "urn:xmpp:bookmarks:1"
HERE = Path(__file__).parent
SLIDGE = Path(os.environ.get("XMPPD_SLIDGE", HERE / ".slidge")) / "bin" / "slidge"

# What slidge's manual wants.
PRIVILEGES = f"""\
[components."{GATEWAY}".privileges]
roster = "both"
message = "outgoing"
[components."{GATEWAY}".privileges.iq]
"{PUBSUB}" = "both"
"{PUBSUB}#owner" = "set"
"""


class PrivilegingProsody(Prosody):
    """Prosody with the module that Debian has in prosody-modules."""

    modules = (*Prosody.modules, "privilege")
    privileges = f"""\
privileged_entities = {{ ["{GATEWAY}"] = {{
    roster = "both"; message = "outgoing";
    iq = {{ ["{PUBSUB}"] = "both"; ["{PUBSUB}#owner"] = "set" }};
}} }}
"""

    def _host(self, domain: Domain) -> str:
        return super()._host(domain).replace("Component", f"{self.privileges}Component", 1)

    def _component(self, name: str, secret: str) -> str:
        return super()._component(name, secret) + '    modules_enabled = { "privilege" }\n'


class Slidge(StageCase):
    """Romeo registers with the gateway and finds the people of Verona in his roster."""

    here: Site
    ours: Domain
    gateway: Daemon

    @classmethod
    def build(cls) -> None:
        here: type[Site] = Xmppd if our_part() is Xmppd else PrivilegingProsody
        cls.need(here)
        if not SLIDGE.exists():
            raise unittest.SkipTest(f"slidge is not installed in {SLIDGE.parents[1]}")
        cls.ours = cls.stage.domain("ours.example")
        cls.here = here(cls.stage, [cls.ours], PRIVILEGES if here is Xmppd else "", components={GATEWAY: SECRET})
        cls.add(cls.here)
        cls.gateway = cls._gateway()
        cls.addClassCleanup(cls.gateway.kill)
        cls.gateway.start()

    @classmethod
    def _gateway(cls) -> Daemon:
        folder = cls.stage.folder / "slidge"
        folder.mkdir()
        settings = folder / "slidge.ini"
        settings.write_text(
            f"""\
legacy-module=verona
jid={GATEWAY}
secret={SECRET}
server={cls.here.address}
port={COMPONENT_PORT}
home-dir={folder}/data
"""
        )
        command = [str(SLIDGE), "-c", str(settings), "--debug"]
        return Daemon(folder, command, {"PYTHONPATH": str(HERE / "network" / "slidge"), "SLIDGE_CONF_DIR": str(folder)})

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await eventually(lambda: "Slidge has successfully started" in self.gateway.said(), "slidge's start")

    async def romeo(self, resource: str = "x", **more: object) -> Person:
        romeo = await self.person(self.here, "romeo", self.ours, resource, **more)
        romeo.client.register_plugin("xep_0280")
        return romeo

    async def registered(self) -> Person:
        """Return Romeo, whose roster has the people of Verona."""
        romeo = await self.romeo()
        await self._register(romeo, romeo.account)
        for jid in (GATEWAY, JULIET, NURSE):
            await romeo.expect(kind="push", from_=jid, type="both")
        await romeo.expect(kind="presence", type="available", bare=JULIET)
        return romeo

    async def _register(self, romeo: Person, name: str) -> None:
        query = Element(f"{{{REGISTER}}}query")
        SubElement(query, f"{{{REGISTER}}}username").text = name
        await romeo.ask(GATEWAY, query, "set")

    async def test_discovery(self) -> None:
        romeo = await self.romeo()
        self.assertIn(GATEWAY, await romeo.disco_items("ours.example"))
        info = await romeo.disco_info(GATEWAY)
        self.assertIn(("gateway", "verona"), info.identities)
        self.assertIn(REGISTER, info.features)

    async def test_roster(self) -> None:
        """Registering fills the roster, which the gateway may change; the contacts are there, and see us."""
        romeo = await self.registered()
        roster = await romeo.roster()
        self.assertEqual((roster[JULIET].subscription, roster[JULIET].name), ("both", "Juliet"))
        self.assertEqual(roster[JULIET].groups, {"slidge"})
        info = await romeo.disco_info(JULIET)
        self.assertTrue(info.identities)

    async def test_refused_registration(self) -> None:
        romeo = await self.romeo()
        with self.assertRaises(Refused) as caught:
            await self._register(romeo, "montague")
        self.assertEqual(caught.exception.condition, "not-acceptable")
        self.assertEqual(caught.exception.reason, "no Montagues")

    async def test_messages(self) -> None:
        romeo = await self.registered()
        romeo.message(JULIET, "Wilt thou be gone? ü <&>")
        await romeo.expect(kind="message", bare=JULIET, text="You said: Wilt thou be gone? ü <&>")
        romeo.message(f"tybalt@{GATEWAY}", "hello?")
        event = await romeo.expect(kind="message", type="error", bare=f"tybalt@{GATEWAY}")
        self.assertEqual(event.condition, "item-not-found")

    async def test_sent_by_another_client_there(self) -> None:
        """The gateway sends in the user's name; the user's own clients get it as a carbon (XEP-0280)."""
        romeo = await self.registered()
        carbons: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()

        def sent(stanza: object) -> None:
            inner = stanza["carbon_sent"]  # type: ignore[index]
            carbons.put_nowait((inner["from"].bare, inner["to"].bare, inner["body"]))

        romeo.client.add_event_handler("carbon_sent", sent)
        await romeo.client.plugin["xep_0280"].enable()
        romeo.message(JULIET, "phone: I am on the phone")
        self.assertEqual(await asyncio.wait_for(carbons.get(), 15), (romeo.bare, JULIET, "I am on the phone"))

    async def test_groups(self) -> None:
        """The group is among the bookmarks (XEP-0402), which the gateway has published for the user."""
        romeo = await self.registered()

        async def bookmarked() -> bool:
            pubsub = Element(f"{{{PUBSUB}}}pubsub")
            SubElement(pubsub, f"{{{PUBSUB}}}items", node=BOOKMARKS)
            try:
                answer = await romeo.ask(romeo.bare, pubsub)
            except Refused:
                return False
            return any(item.get("id") == GROUP for item in answer.xml.iter(f"{{{PUBSUB}}}item"))

        await eventually(bookmarked, "a bookmark of the group")
        event = await romeo.join(GROUP, romeo.account)
        self.assertEqual(event.type, "available")
        romeo.say(GROUP, "Good morrow")
        await romeo.expect(kind="message", type="groupchat", from_=f"{GROUP}/{romeo.account}", text="Good morrow")
        await romeo.expect(kind="message", type="groupchat", from_=f"{GROUP}/Juliet", text="All heard: Good morrow")

    async def test_presence(self) -> None:
        """Another client comes and sees the contacts; when all are gone the session there ends."""
        romeo = await self.registered()
        other = await self.romeo("y", register=False)
        await other.expect(kind="presence", type="available", bare=JULIET)
        await other.disconnect()
        await romeo.disconnect()
        again = await self.romeo(register=False)
        await again.expect(kind="presence", type="available", bare=JULIET)
        await again.expect(kind="presence", type="available", bare=GATEWAY)

    async def test_unregister(self) -> None:
        romeo = await self.registered()
        query = Element(f"{{{REGISTER}}}query")
        SubElement(query, f"{{{REGISTER}}}remove")
        await romeo.ask(GATEWAY, query, "set")
        await romeo.expect(kind="presence", type="unavailable", bare=GATEWAY)
        romeo.message(JULIET, "still there?")
        await romeo.expect(kind="message", type="error", bare=JULIET)
