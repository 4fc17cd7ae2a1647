"""biboumi, as Debian packages it, as a component of our server: channels of a real IRC server are rooms (XEP-0045)."""

from __future__ import annotations

import unittest

from tests.interop.network import irc
from tests.interop.network.daemon import Daemon
from tests.interop.network.federation import StageCase, eventually, our_part
from tests.interop.network.person import Person
from tests.interop.network.servers import Site
from tests.interop.network.stage import Domain

GATEWAY = "irc.ours.example"


class Biboumi(StageCase):
    """Romeo goes through the gateway, Juliet is on IRC itself."""

    here: Site
    ours: Domain
    gateway: Daemon
    irc_address: str

    @classmethod
    def build(cls) -> None:
        here = our_part()
        cls.need(here)
        if not irc.BIBOUMI or not irc.NGIRCD:
            raise unittest.SkipTest("biboumi or ngircd is not installed")
        cls.ours = cls.stage.domain("ours.example")
        cls.here = here(cls.stage, [cls.ours], components={GATEWAY: "O Romeo, Romeo"})
        cls.add(cls.here)
        server, cls.irc_address = irc.ngircd(cls.stage)
        cls.addClassCleanup(server.kill)
        cls.gateway = irc.biboumi(cls.stage, cls.here, GATEWAY, "admin@ours.example")
        cls.addClassCleanup(cls.gateway.kill)
        cls.gateway.start()

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self._connected()
        self.channel = f"#verona{self.number}"
        self.room = f"{self.channel}%{self.irc_address}@{GATEWAY}"

    async def _connected(self) -> None:
        """Wait until the gateway says that its domain is its own."""
        await eventually(
            lambda: "Authenticated with the XMPP server" in self.gateway.said(), self.gateway.said()[-2000:]
        )

    async def juliet(self) -> irc.IrcPerson:
        juliet = irc.IrcPerson(f"juliet{self.number}")
        await juliet.connect(self.irc_address)
        self.addAsyncCleanup(juliet.disconnect)
        juliet.send(f"JOIN {self.channel}")
        await juliet.expect(" 366 ")
        return juliet

    async def both(self) -> tuple[Person, str, irc.IrcPerson]:
        """Return the two in one channel, and Romeo's nick there."""
        juliet, nick = await self.juliet(), f"romeo{self.number}"
        romeo = await self.person(self.here, "romeo", self.ours)
        await self._enter(romeo, nick)
        await juliet.expect(f":{nick}!", f"JOIN :{self.channel}")
        await romeo.expect(kind="presence", type="available", from_=f"{self.room}/{juliet.nick}")
        return romeo, nick, juliet

    async def _enter(self, romeo: Person, nick: str) -> None:
        self.assertEqual((await romeo.join(self.room, nick)).type, "available")

    async def test_discovery(self) -> None:
        """Clients find the gateway among the services of their server."""
        romeo = await self.person(self.here, "romeo", self.ours)
        self.assertIn(GATEWAY, await romeo.disco_items("ours.example"))
        info = await romeo.disco_info(GATEWAY)
        self.assertIn(("conference", "irc"), info.identities)
        self.assertIn("http://jabber.org/protocol/muc", info.features)
        await romeo.ping(GATEWAY)
        self.assertEqual((await romeo.version(GATEWAY))[0], "biboumi")

    async def test_talk(self) -> None:
        romeo, nick, juliet = await self.both()
        romeo.say(self.room, "But, soft! ü")
        await juliet.expect(f":{nick}!", f"PRIVMSG {self.channel} :But, soft! ü")
        await romeo.expect(kind="message", type="groupchat", from_=f"{self.room}/{nick}", text="But, soft! ü")
        juliet.send(f"PRIVMSG {self.channel} :Ay me! <&>")
        await romeo.expect(kind="message", type="groupchat", from_=f"{self.room}/{juliet.nick}", text="Ay me! <&>")

    async def test_private_messages(self) -> None:
        romeo, nick, juliet = await self.both()
        romeo.message(f"{self.room}/{juliet.nick}", "for you alone")
        await juliet.expect(f":{nick}!", f"PRIVMSG {juliet.nick} :for you alone")
        juliet.send(f"PRIVMSG {nick} :and for you")
        event = await romeo.expect(kind="message", type="chat", text="and for you")
        self.assertIn(event.from_, (f"{self.room}/{juliet.nick}", f"{juliet.nick}%{self.irc_address}@{GATEWAY}"))

    async def test_nicks(self) -> None:
        romeo, nick, juliet = await self.both()
        romeo.presence(to=f"{self.room}/{nick}_")
        await juliet.expect(f":{nick}!", f"NICK :{nick}_")
        await romeo.expect(kind="presence", type="unavailable", from_=f"{self.room}/{nick}")
        await romeo.expect(kind="presence", type="available", from_=f"{self.room}/{nick}_")
        juliet.send(f"NICK {juliet.nick}_")
        await romeo.expect(kind="presence", type="unavailable", from_=f"{self.room}/{juliet.nick}")
        await romeo.expect(kind="presence", type="available", from_=f"{self.room}/{juliet.nick}_")

    async def test_leaving(self) -> None:
        romeo, nick, juliet = await self.both()
        await romeo.leave(self.room, nick)
        await juliet.expect(f":{nick}!", f"PART {self.channel}")

    async def test_logging_out(self) -> None:
        """The gateway hears that a user is gone, and leaves the channel for them (RFC 6121 section 4.5.2)."""
        romeo, nick, juliet = await self.both()
        await romeo.disconnect()
        await juliet.expect(f":{nick}!", f"PART {self.channel}")

    async def test_others_leave(self) -> None:
        romeo, _, juliet = await self.both()
        juliet.send(f"PART {self.channel}")
        await romeo.expect(kind="presence", type="unavailable", from_=f"{self.room}/{juliet.nick}")

    async def test_the_gateway_is_restarted(self) -> None:
        """While it is away its domain is known to be so; afterwards it works as before."""
        await self.both()
        self.gateway.kill()
        self.gateway.log.unlink()
        self.gateway.start()
        await self._connected()
        romeo = await self.person(self.here, "benvolio", self.ours)
        await self._enter(romeo, f"benvolio{self.number}")
