"""Certificates that prove nothing, and domains that we don't talk to: refused in both directions, with a reason.

The policy is `certificate`: dialback does not help who has no good certificate (RFC 6120 section 13.7, XEP-0178).
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.interop.device import Event
from tests.interop.network.federation import StageCase, eventually, our_part
from tests.interop.network.servers import Prosody, Site, Xmppd
from tests.interop.network.stage import Domain

SETTINGS = """\
policy = "certificate"
queue_seconds = 1.5
[s2s.domains."blocked.example"]
policy = "blocked"
[s2s.domains."lenient.example"]
policy = "dialback"
"""


class StrictProsody(Prosody):
    """What Prosody is like with the same policy."""

    certificates_only = True
    modules = tuple(name for name in Prosody.modules if name != "dialback")


class StrictAtOneDomain(Prosody):
    """Nobody proves a domain to strict.example by dialback."""

    def _host(self, domain: Domain) -> str:
        host = super()._host(domain)
        return (
            host.replace("Component", '    modules_disabled = { "dialback" }\nComponent') if "strict" in host else host
        )


class Refusals(StageCase):
    """Our server with one good certificate, and Prosody with a domain for everything that can be wrong."""

    here: Site
    there: Site
    ours: Domain
    ours_self: Domain
    theirs: dict[str, Domain]

    @classmethod
    def build(cls) -> None:
        here: type[Site] = Xmppd if our_part() is Xmppd else StrictProsody
        cls.need(here, Prosody)
        domain = cls.stage.domain
        cls.ours, cls.ours_self = domain("ours.example"), domain("self.ours.example", self_signed=True)
        bad: dict[str, dict[str, Any]] = {
            "expired": {"days": (-20, -2)},
            "early": {"days": (2, 20)},
            "self": {"self_signed": True},
        }
        cls.theirs = {name: domain(f"{name}.example", **more) for name, more in bad.items()}
        cls.theirs["wrong"] = domain("wrong.example", dns=["other.example"])
        cls.theirs["xmppaddr"] = domain("xmppaddr.example", dns=[], xmpp=["xmppaddr.example"])
        cls.theirs["srvid"] = domain("srvid.example", dns=[], srv=["srvid.example"])
        cls.theirs["wild"] = domain("wild.card.example", dns=["*.card.example"])
        cls.theirs["good"] = domain("good.example")
        cls.theirs["blocked"] = domain("blocked.example")
        cls.theirs["lenient"] = domain("lenient.example", self_signed=True)
        cls.here = here(cls.stage, [cls.ours, cls.ours_self], SETTINGS if here is Xmppd else "")
        cls.theirs["strict"] = domain("strict.example")
        cls.there = StrictAtOneDomain(cls.stage, list(cls.theirs.values()))
        cls.add(cls.here)
        cls.add(cls.there)

    def _needs_us(self, reason: str) -> None:
        if not isinstance(self.here, Xmppd):
            self.skipTest(reason)

    # ---- who is talked to

    async def _talk(self, theirs: Domain) -> None:
        """Each direction has a connection of its own: both ends prove themselves twice."""
        romeo = await self.person(self.here, "romeo", self.ours)
        juliet = await self.person(self.there, "juliet", theirs)
        romeo.message(juliet.full, "it is I")
        await juliet.expect(kind="message", from_=romeo.full, text="it is I")
        juliet.message(romeo.full, "it is you")
        await romeo.expect(kind="message", from_=juliet.full, text="it is you")

    async def test_dns_name(self) -> None:
        await self._talk(self.theirs["good"])

    async def test_xmpp_address(self) -> None:
        """A certificate with nothing but an XmppAddr (RFC 6120 section 13.7.1.4)."""
        self._needs_us("Prosody 0.12 does not look at them")
        await self._talk(self.theirs["xmppaddr"])

    async def test_srv_name(self) -> None:
        """A certificate with nothing but an SRVName (RFC 4985)."""
        await self._talk(self.theirs["srvid"])

    async def test_wildcard(self) -> None:
        await self._talk(self.theirs["wild"])

    async def test_dialback_where_the_settings_say_so(self) -> None:
        self._needs_us("a setting of ours")
        await self._talk(self.theirs["lenient"])

    # ---- who isn't

    async def _outwards(self, theirs: Domain, *reasons: str) -> Event:
        """Romeo's message comes back with the reason, which the operator is told as well."""
        romeo = await self.person(self.here, "romeo", self.ours)
        juliet = await self.person(self.there, "juliet", theirs)
        romeo.message(juliet.full, "is it you?")
        event = await romeo.expect(kind="message", type="error", from_=juliet.full)
        self.assertEqual(juliet.inbox.find(kind="message"), [])
        if isinstance(self.here, Xmppd):
            for reason in reasons:
                self.assertRegex(event.reason, f"(?i){reason}")
            said = await asyncio.to_thread(self.here.xmppctl, "s2s", "show", theirs.name)
            for reason in reasons:
                self.assertRegex(said, f"(?i){reason}")
        return event

    async def _inwards(self, theirs: Domain, *reasons: str) -> None:
        """Juliet's message comes back, and our log says why."""
        romeo = await self.person(self.here, "romeo", self.ours)
        juliet = await self.person(self.there, "juliet", theirs)
        juliet.message(romeo.full, "let me in")
        await juliet.expect(kind="message", type="error", from_=romeo.full)
        self.assertEqual(romeo.inbox.find(kind="message"), [])
        if not isinstance(self.here, Xmppd):
            return

        def logged() -> bool:
            lines = [line for line in self.here.log.read_text().splitlines() if theirs.name in line]
            return all(any(reason in line.lower() for line in lines) for reason in reasons)

        await eventually(logged, f"a line with {theirs.name} and {reasons} in the log")

    async def test_expired_certificate_of_whom_we_call(self) -> None:
        await self._outwards(self.theirs["expired"], "expired")

    async def test_expired_certificate_of_a_caller(self) -> None:
        await self._inwards(self.theirs["expired"], "expired")

    async def test_certificate_that_is_not_valid_yet(self) -> None:
        await self._outwards(self.theirs["early"], "not valid before|not yet valid")

    async def test_certificate_for_another_domain_of_whom_we_call(self) -> None:
        await self._outwards(self.theirs["wrong"], "wrong.example", "other.example")

    async def test_certificate_for_another_domain_of_a_caller(self) -> None:
        await self._inwards(self.theirs["wrong"], "other.example")

    async def test_self_signed_certificate_of_whom_we_call(self) -> None:
        await self._outwards(self.theirs["self"], "signed by itself|self-signed")

    async def test_self_signed_certificate_of_a_caller(self) -> None:
        await self._inwards(self.theirs["self"], "self")

    async def test_we_are_refused_for_our_certificate(self) -> None:
        """It is ours that proves nothing, to one who takes no dialback."""
        self._needs_us("others say less")
        romeo = await self.person(self.here, "romeo", self.ours_self)
        romeo.message("juliet@strict.example", "let me in")
        event = await romeo.expect(kind="message", type="error", bare="juliet@strict.example")
        self.assertIn("No stream features to offer", event.reason)  # as Prosody puts it

    async def test_blocked_domain_outwards(self) -> None:
        self._needs_us("a setting of ours")
        event = await self._outwards(self.theirs["blocked"], "not allowed|block|polic")
        self.assertNotEqual(event.condition, "service-unavailable")

    async def test_blocked_domain_inwards(self) -> None:
        self._needs_us("a setting of ours")
        await self._inwards(self.theirs["blocked"], "blocked")
