"""Rooms (XEP-0045) that people of two servers share, written once for every server that has them.

`XMPPD_INTEROP_SERVER=prosody` puts Prosody in our place, to check the stage and the scenarios themselves.
"""

from __future__ import annotations

import asyncio
from typing import Any

from slixmpp import JID

from tests.interop.device import Refused
from tests.interop.network.federation import PASSWORD, StageCase, eventually, our_part
from tests.interop.network.servers import Site, Xmppd
from tests.interop.network.stage import Domain
from tests.interop.rooms import Guest
from tests.interop.slix import answered


class RoomsCase(StageCase):
    """Romeo is on our server, Juliet on another one."""

    there_class: type[Site]
    here: Site
    there: Site
    ours: Domain
    theirs: Domain
    bans_hold = True  # are those kept out of a moderated room who were given voice there before they were banned?
    settle = 0.0  # seconds until their server has written to disk what it acknowledged

    @classmethod
    def build(cls) -> None:
        here = our_part()
        cls.need(here, cls.there_class)
        cls.ours, cls.theirs = cls.stage.domain("ours.example"), cls.stage.domain(f"{cls.there_class.name}.example")
        cls.here = here(cls.stage, [cls.ours], cls.settings() if here is Xmppd else "")
        cls.there = cls.there_class(cls.stage, [cls.theirs])
        cls.add(cls.here)
        cls.add(cls.there)

    @classmethod
    def settings(cls) -> str:
        """Return more of our configuration."""
        soon = "queue_seconds = 2.0\nretry_seconds = 0.5\nretry_at_most_seconds = 1.0\n"  # they are killed often
        return f'{soon}[hosts."{cls.ours.name}".muc]\ncreate = "anyone"\n'

    async def guest(self, site: Site, name: str, register: bool = True, **more: Any) -> Guest:
        """Return somebody with an account there, online until the test ends."""
        domain = self.ours if site is self.here else self.theirs
        account = f"{name}{self.number}"
        guest = Guest(site, account, "x", PASSWORD, register=register, domain=domain.name, **more)
        self.addAsyncCleanup(guest.disconnect)
        await guest.connect()
        await guest.roster()
        guest.presence()
        await guest.fence()
        return guest

    async def couple(self, **more: Any) -> tuple[Guest, Guest]:
        """Return Romeo, on our server, and Juliet, on theirs."""
        return await self.guest(self.here, "romeo", **more), await self.guest(self.there, "juliet")

    def room(self, domain: Domain) -> str:
        """Return the address of a room that no other test uses."""
        return f"orchard{self.number}@{domain.rooms}"

    async def both_in(self, room: str, owner: Guest, guest: Guest, **options: Any) -> None:
        """The owner makes the room as `owner`, with these options, and the guest enters it as `guest`."""
        await owner.create(room, "owner", **options)
        await guest.enter(room, "guest")
        await owner.expect(kind="presence", type="available", from_=f"{room}/guest")
        await guest.expect(kind="presence", type="available", from_=f"{room}/owner")

    async def all_hear(self, room: str, nick: str, speaker: Guest, *hearers: Guest, text: str) -> None:
        """What one says reaches all, the speaker as well (7.4)."""
        speaker.say(room, text)
        for person in (speaker, *hearers):
            await person.expect(kind="message", type="groupchat", from_=f"{room}/{nick}", text=text)

    async def _restart(self, site: Site) -> None:
        await asyncio.to_thread(site.start)

    async def _dies(self, site: Site) -> None:
        await asyncio.sleep(self.settle if site is self.there else 0)
        site.cut()

    def needs_us(self) -> None:
        """Skip what others don't do."""
        if not isinstance(self.here, Xmppd):
            self.skipTest("more than others do")

    async def _told(self, guest: Guest, room: str) -> bool:
        """Has the room said that one is not in it, once it could be reached again?"""
        try:
            return not await guest.is_in(room)
        except Refused:
            return False


class Rooms(RoomsCase):
    """The scenarios. Each has an owner at home, or one from abroad."""

    # ---- 7: what an occupant does

    async def _visit(self, room: str, owner: Guest, guest: Guest) -> None:
        created = await owner.create(room, "owner", changesubject=False)
        self.assertLessEqual({110, 201}, created.codes)
        self.assertEqual((created.affiliation, created.role), ("owner", "moderator"))
        texts = [f"{number} <&> 💘" for number in range(5)]
        for text in texts:
            await self.all_hear(room, "owner", owner, text=text)
        self.muc_subject(owner, room, "Wherefore?")
        await owner.expect(kind="message", type="groupchat", bare=room, subject="Wherefore?")
        await self._entering(room, owner, guest, texts)
        await self._talking(room, owner, guest)
        await self._nicknames(room, owner, guest)
        self.assertTrue(await guest.is_in(room))
        seen = await guest.leaves(room)
        self.assertIn(110, seen.codes)
        self.assertEqual(seen.role, "none")
        await owner.expect(kind="presence", type="unavailable", from_=f"{room}/visitor", role="none")
        *_, history = await guest.enter(room, "guest", maxstanzas=2)
        self.assertEqual([message["body"] for message in history], ["guest speaks", "owner speaks"])
        await guest.leaves(room)
        with self.assertRaises(Refused) as caught:
            await guest.ping(f"{room}/guest")
        self.assertEqual(caught.exception.condition, "not-acceptable")  # XEP-0410
        owner.client.plugin["xep_0249"].send_invitation(JID(guest.bare), JID(room), reason="come back")
        invitation = await guest.expect(kind="message", bare=owner.bare)
        self.assertEqual(invitation.xml.find("{jabber:x:conference}x").get("jid"), room)
        *_, history = await guest.enter(room, "guest", maxstanzas=0)
        self.assertEqual(history, [])

    @staticmethod
    def muc_subject(person: Guest, room: str, subject: str) -> None:
        """Ask for another subject (8.1)."""
        person.muc.set_subject(room, subject)

    async def _entering(self, room: str, owner: Guest, guest: Guest, texts: list[str]) -> None:
        own, subject, occupants, history = await guest.enter(room, "guest")
        self.assertIn(110, own["muc"]["status_codes"])
        self.assertNotIn(201, own["muc"]["status_codes"])
        self.assertEqual((own["muc"]["affiliation"], own["muc"]["role"]), ("none", "participant"))
        self.assertEqual((subject["subject"], subject["from"].bare), ("Wherefore?", room))
        self.assertEqual({occupant["muc"]["nick"] for occupant in occupants}, {"owner", "guest"})
        self.assertEqual([message["body"] for message in history], texts)
        self.assertEqual({str(message["from"]) for message in history}, {f"{room}/owner"})
        guest.forget(room)
        seen = await owner.expect(kind="presence", type="available", from_=f"{room}/guest")
        self.assertEqual(seen.jid, guest.full)  # the owner is a moderator: 7.2.3
        seen = await guest.expect(kind="presence", type="available", from_=f"{room}/owner")
        self.assertEqual((seen.affiliation, seen.role, seen.jid), ("owner", "moderator", ""))

    async def _talking(self, room: str, owner: Guest, guest: Guest) -> None:
        await self.all_hear(room, "guest", guest, owner, text="guest speaks")
        await self.all_hear(room, "owner", owner, guest, text="owner speaks")
        for one, other, nick in ((owner, guest, "guest"), (guest, owner, "owner")):
            one.whisper(f"{room}/{nick}", f"for {nick} alone")
            back = "owner" if nick == "guest" else "guest"
            await other.expect(kind="message", type="chat", from_=f"{room}/{back}", text=f"for {nick} alone")
        self.muc_subject(guest, room, "Because")
        await guest.expect(kind="message", type="error", bare=room, condition="forbidden")
        owner.presence(to=f"{room}/owner", show="dnd", status="thinking")
        seen = await guest.expect(kind="presence", type="available", from_=f"{room}/owner", show="dnd")
        self.assertEqual(seen.text, "thinking")

    async def _nicknames(self, room: str, owner: Guest, guest: Guest) -> None:
        guest.nickname(room, "owner")
        await guest.expect(kind="presence", type="error", condition="conflict")
        await guest.muc.set_self_nick(JID(room), "visitor", timeout=15)
        for person in (owner, guest):
            seen = await person.expect(kind="presence", type="unavailable", from_=f"{room}/guest")
            self.assertIn(303, seen.codes)
            self.assertEqual(seen.nick, "visitor")
            await person.expect(kind="presence", type="available", from_=f"{room}/visitor")

    # ---- 8 and 9: moderators and admins

    async def _moderation(self, room: str, owner: Guest, guest: Guest) -> None:
        await self.both_in(room, owner, guest, moderatedroom=True)
        muc, here = owner.muc, JID(room)
        await answered(muc.set_role(here, "guest", "visitor", timeout=15))
        guest.say(room, "may I?")
        await guest.expect(kind="message", type="error", bare=room, condition="forbidden")
        await answered(muc.set_role(here, "guest", "participant", reason="yes", timeout=15))
        seen = await guest.expect(kind="presence", type="available", from_=f"{room}/guest", role="participant")
        self.assertEqual(seen.why, "yes")
        await self.all_hear(room, "guest", guest, owner, text="thank you")
        with self.assertRaises(Refused) as caught:
            await answered(guest.muc.set_role(here, "owner", "none", timeout=15))
        self.assertIn(caught.exception.condition, ("forbidden", "not-allowed"))
        await answered(muc.set_role(here, "guest", "none", reason="enough", timeout=15))
        await self._removed(room, owner, guest, 307, "enough")
        await guest.enter(room, "guest")
        await answered(muc.set_affiliation(here, "outcast", jid=guest.bare, reason="out", timeout=15))
        await self._removed(room, owner, guest, 301, "out")
        if self.bans_hold or not room.endswith(self.theirs.rooms):
            with self.assertRaises(Refused) as caught:
                await guest.enter(room, "guest")
            self.assertEqual(caught.exception.condition, "forbidden")
        listed = await answered(muc.get_affiliation_list(here, "outcast", timeout=15))
        self.assertEqual([str(jid) for jid in listed], [guest.bare])
        await answered(muc.set_affiliation(here, "member", jid=guest.bare, timeout=15))
        own, *_ = await guest.enter(room, "guest")
        self.assertEqual((own["muc"]["affiliation"], own["muc"]["role"]), ("member", "participant"))
        await answered(muc.set_affiliation(here, "admin", jid=guest.bare, timeout=15))
        await guest.expect(kind="presence", from_=f"{room}/guest", affiliation="admin", role="moderator")
        self.assertEqual(await answered(guest.muc.get_affiliation_list(here, "outcast", timeout=15)), [])
        listed = await answered(muc.get_affiliation_list(here, "owner", timeout=15))
        self.assertEqual([str(jid) for jid in listed], [owner.bare])

    async def _removed(self, room: str, owner: Guest, guest: Guest, code: int, why: str) -> None:
        for person in (guest, owner):
            seen = await person.expect(kind="presence", type="unavailable", from_=f"{room}/guest")
            self.assertIn(code, seen.codes)
            self.assertEqual((seen.role, seen.why), ("none", why))
        guest.say(room, "I am still here")
        await guest.expect(kind="message", type="error", bare=room, condition="not-acceptable")
        self.assertFalse(await guest.is_in(room))

    # ---- 10: owners

    async def _owning(self, room: str, owner: Guest, guest: Guest) -> None:
        await self.both_in(room, owner, guest, roomname="The orchard & garden", persistentroom=True)
        form = await owner.configure(room, roomname="The orchard")
        self.assertEqual(form.get_values()["muc#roomconfig_persistentroom"], True)
        for person in (owner, guest):
            await person.expect(kind="message", type="groupchat", from_=room, codes={104})
        await owner.configure(room, membersonly=True)
        with self.assertRaises(Refused):
            await guest.configure(room, membersonly=False)
        seen = await guest.expect(kind="presence", type="unavailable", from_=f"{room}/guest")
        self.assertIn(322, seen.codes)
        with self.assertRaises(Refused) as caught:
            await guest.enter(room, "guest")
        self.assertEqual(caught.exception.condition, "registration-required")
        owner.muc.invite(room, guest.bare, reason="come")
        seen = await guest.expect(kind="message", type="normal", from_=room)
        self.assertIn(seen.xml.find("{*}x/{*}invite").get("from").partition("/")[0], (owner.bare, room))
        await guest.enter(room, "guest")
        await owner.configure(room, membersonly=False, passwordprotectedroom=True, roomsecret="Montague")
        await guest.leaves(room)
        await answered(owner.muc.set_affiliation(JID(room), "none", jid=guest.bare, timeout=15))
        with self.assertRaises(Refused) as caught:
            await guest.enter(room, "guest")
        self.assertEqual(caught.exception.condition, "not-authorized")
        await guest.enter(room, "guest", password="Montague")
        info = await guest.disco_info(room)
        self.assertLessEqual({"muc_passwordprotected", "muc_persistent", "muc_open"}, info.features)
        await answered(owner.muc.destroy(room, "the lark", altroom=f"other-{room}", timeout=15))
        seen = await guest.expect(kind="presence", type="unavailable", from_=f"{room}/guest")
        destroy = seen.xml.find("{*}x/{*}destroy")
        self.assertEqual((destroy.get("jid"), destroy.findtext("{*}reason")), (f"other-{room}", "the lark"))

    # ---- rooms of theirs

    async def test_visit_there(self) -> None:
        """Ours in a room of theirs: history, messages, nicknames, subjects, private messages, leaving."""
        romeo, juliet = await self.couple()
        await self._visit(self.room(self.theirs), juliet, romeo)

    async def test_moderation_there(self) -> None:
        """Ours owns a room of theirs: voice, kicks, bans, affiliations."""
        romeo, juliet = await self.couple()
        await self._moderation(self.room(self.theirs), romeo, juliet)

    async def test_owning_there(self) -> None:
        """Ours owns a room of theirs: its form, members, invitations, a password, its end."""
        romeo, juliet = await self.couple()
        await self._owning(self.room(self.theirs), romeo, juliet)

    async def test_their_server_dies(self) -> None:
        """Who is in its rooms is told so, and by XEP-0410 finds out where to enter again when it is back."""
        self.needs_us()
        romeo, juliet = await self.couple()
        room = self.room(self.theirs)
        await self.both_in(room, juliet, romeo, persistentroom=True)
        self.assertTrue(await romeo.is_in(room))
        await self._dies(self.there)
        seen = await romeo.expect(kind="presence", type="unavailable", from_=f"{room}/guest", codes={110, 333})
        self.assertEqual(seen.role, "none")
        with self.assertRaises(Refused) as caught:
            await romeo.is_in(room)
        self.assertIn(caught.exception.condition, ("remote-server-timeout", "remote-server-not-found"))
        with self.assertRaises(Refused) as caught:
            await romeo.enter(room, "guest")
        self.assertIn(caught.exception.condition, ("remote-server-timeout", "remote-server-not-found"))
        await self._restart(self.there)
        juliet = await self.guest(self.there, "juliet", register=False)
        await juliet.enter(room, "owner")
        await eventually(lambda: self._told(romeo, room), "the room says that he is not in it")
        await romeo.enter(room, "guest")
        await juliet.expect(kind="presence", type="available", from_=f"{room}/guest")
        await self.all_hear(room, "guest", romeo, juliet, text="here again")

    async def test_our_server_dies(self) -> None:
        """Who does not come back after kill -9 leaves the rooms elsewhere; who resumes is still there, unnoticed."""
        self.needs_us()
        romeo, juliet = await self.couple(sm=True)
        room = self.room(self.theirs)
        await self.both_in(room, juliet, romeo)
        mercutio = await self.guest(self.here, "mercutio")
        await mercutio.enter(room, "mercutio")
        await juliet.expect(kind="presence", type="available", from_=f"{room}/mercutio")
        await romeo.fence()
        self.here.cut()
        await self._restart(self.here)
        juliet.say(room, "are you there?")
        await juliet.expect(kind="message", type="groupchat", text="are you there?")
        await romeo.reconnects()
        await juliet.expect(kind="presence", type="unavailable", from_=f"{room}/mercutio")
        await romeo.expect(kind="message", type="groupchat", from_=f"{room}/owner", text="are you there?")
        self.assertTrue(await romeo.is_in(room))
        await self.all_hear(room, "guest", romeo, juliet, text="I am")
        self.assertEqual(juliet.inbox.find(kind="presence", from_=f"{room}/guest"), [])

    # ---- rooms of ours

    async def test_visit_here(self) -> None:
        """Theirs in a room of ours."""
        romeo, juliet = await self.couple()
        room = self.room(self.ours)
        await self._visit(room, romeo, juliet)
        self.needs_us()
        texts = [text for _, _, text in await juliet.archive(room) if text]
        self.assertEqual(texts, [*(f"{number} <&> 💘" for number in range(5)), "guest speaks", "owner speaks"])

    async def test_moderation_here(self) -> None:
        """Theirs owns a room of ours, and Romeo is a guest there."""
        romeo, juliet = await self.couple()
        await self._moderation(self.room(self.ours), juliet, romeo)

    async def test_owning_here(self) -> None:
        romeo, juliet = await self.couple()
        await self._owning(self.room(self.ours), juliet, romeo)

    async def test_their_server_dies_with_guests_here(self) -> None:
        """Whose server can't be reached is in the room no more; back again, they find out and enter."""
        self.needs_us()
        romeo, juliet = await self.couple()
        room = self.room(self.ours)
        await self.both_in(room, romeo, juliet)
        await self._dies(self.there)
        romeo.say(room, "are you there?")
        seen = await romeo.expect(kind="presence", type="unavailable", from_=f"{room}/guest", codes={333})
        self.assertEqual(seen.role, "none")
        await self._restart(self.there)
        juliet = await self.guest(self.there, "juliet", register=False)
        with self.assertRaises(Refused) as caught:
            await juliet.ping(f"{room}/guest")
        self.assertEqual(caught.exception.condition, "not-acceptable")
        *_, history = await juliet.enter(room, "guest")
        self.assertEqual([message["body"] for message in history], ["are you there?"])
        await self.all_hear(room, "guest", juliet, romeo, text="I am")

    async def test_our_server_dies_with_the_room(self) -> None:
        """After kill -9 all is as it was: guests from abroad and who resumes notice nothing, who doesn't has left."""
        self.needs_us()
        romeo, juliet = await self.couple(sm=True)
        room = self.room(self.ours)
        await self.both_in(room, romeo, juliet, roomname="The orchard", moderatedroom=True)
        mercutio = await self.guest(self.here, "mercutio")
        await mercutio.enter(room, "mercutio")
        await juliet.expect(kind="presence", type="available", from_=f"{room}/mercutio")
        self.muc_subject(romeo, room, "Wherefore?")
        await juliet.expect(kind="message", type="groupchat", subject="Wherefore?")
        await romeo.fence()
        self.here.cut()
        await self._restart(self.here)
        await romeo.reconnects()
        for person in (romeo, juliet):
            await person.expect(kind="presence", type="unavailable", from_=f"{room}/mercutio")
            self.assertTrue(await person.is_in(room))
        await answered(romeo.muc.set_role(JID(room), "guest", "participant", timeout=15))
        await self.all_hear(room, "guest", juliet, romeo, text="still here")
        mercutio = await self.guest(self.here, "mercutio", register=False)
        own, subject, occupants, _ = await mercutio.enter(room, "mercutio")
        self.assertEqual((own["muc"]["role"], subject["subject"]), ("visitor", "Wherefore?"))
        self.assertEqual({occupant["muc"]["nick"] for occupant in occupants}, {"owner", "guest", "mercutio"})
        for person, other in ((romeo, "guest"), (juliet, "owner")):
            self.assertEqual(person.inbox.find(kind="presence", type="unavailable", from_=f"{room}/{other}"), [])
