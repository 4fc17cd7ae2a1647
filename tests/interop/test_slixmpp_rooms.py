"""Rooms as slixmpp uses them, with a real server: archive, occupant ids, moderation, discovery, kill -9.

XEP-0045, XEP-0313 on rooms, XEP-0359, XEP-0402, XEP-0410, XEP-0421, XEP-0424 and XEP-0425.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import os
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from slixmpp import JID
from slixmpp.plugins.xep_0402.stanza import Conference
from slixmpp.plugins.xep_0410 import PingStatus

from tests.interop import scenario
from tests.interop.device import PATIENCE, Refused
from tests.interop.network.federation import eventually
from tests.interop.rooms import Guest
from tests.interop.server import DOMAIN
from tests.interop.slix import answered
from tests.interop.test_slixmpp_archive import body_of

ROOMS = f"conference.{DOMAIN}"
OURS = os.environ.get("XMPPD_INTEROP_SERVER", "xmppd") == "xmppd"
#: Prosody, when it plays our part.
PROSODY = f"""\
Component "{ROOMS}" "muc"
    modules_enabled = {{ "muc_mam" }}
"""


class RoomsCase(scenario.LiveCase):
    """People of one server in its rooms."""

    extra = "" if OURS else PROSODY

    def room(self) -> str:
        """Return the address of a room that no other test uses."""
        return f"orchard{self.number}@{ROOMS}"

    async def guest(self, name: str, resource: str = "x", account: str = "", **more: Any) -> Guest:
        """Return somebody who is online until the test ends, with a new account unless one is given."""
        account = account or await self.account(name)
        guest = Guest(self.server, account, resource, scenario.PASSWORD, **more)
        self.addAsyncCleanup(guest.disconnect)
        await guest.connect()
        await guest.roster()
        guest.presence()
        await guest.fence()
        return guest

    async def together(self, room: str, *names: str, sm: bool = False, **options: Any) -> list[Guest]:
        """Return people who are in a room by these names; the first has made it, with these options."""
        guests: list[Guest] = []
        for name in names:
            guest = await self.guest(name, sm=sm)
            if guests:
                await guest.enter(room, name)
                for other in guests:
                    await other.expect(kind="presence", type="available", from_=f"{room}/{name}")
            else:
                await guest.create(room, name, **options)
            guests.append(guest)
        return guests

    async def say(self, room: str, speaker: Guest, nick: str, *texts: str) -> list[str]:
        """Say this, and return the ids that the room has given it."""
        ids = []
        for text in texts:
            speaker.say(room, text)
            ids.append(
                (await speaker.expect(kind="message", type="groupchat", from_=f"{room}/{nick}", text=text)).origin
            )
        return ids


class Archive(RoomsCase):
    """XEP-0313, as clients do when they come back."""

    async def test_coming_back(self) -> None:
        """Enter without history, and fetch what one has missed: everything once, with the ids it had live."""
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet")
        first = await self.say(room, romeo, "romeo", "one", "two")
        heard = [(await juliet.expect(kind="message", type="groupchat", text=text)).origin for text in ("one", "two")]
        self.assertEqual(first, heard)
        self.assertTrue(all(first))
        await juliet.disconnect()
        await romeo.expect(kind="presence", type="unavailable", from_=f"{room}/juliet")
        texts = [f"missed {number}" for number in range(35)]
        missed = await self.say(room, romeo, "romeo", *texts)
        juliet = await self.guest("juliet", account=juliet.account)
        *_, history = await juliet.enter(room, "juliet", maxstanzas=0)
        self.assertEqual(history, [])
        info = await juliet.disco_info(room)
        self.assertIn("urn:xmpp:mam:2", info.features)
        everything = await juliet.archive(room)
        said = [(id_, nick, text) for id_, nick, text in everything if text]  # subjects may be there as well
        self.assertEqual(said, list(zip([*first, *missed], ["romeo"] * 37, ["one", "two", *texts], strict=True)))
        mam = juliet.client.plugin["xep_0313"]
        walked = [body async for result in mam.iterate(jid=JID(room), reverse=True) if (body := body_of(result))]
        self.assertEqual(walked, ["one", "two", *texts][::-1])
        self.assertEqual([text for _, _, text in await juliet.archive(room, after=first[-1]) if text], texts)

    async def test_who_may_read(self) -> None:
        """Of a members-only room, members alone."""
        room = self.room()
        (romeo,) = await self.together(room, "romeo", membersonly=True)
        await self.say(room, romeo, "romeo", "secret")
        tybalt, juliet = await self.guest("tybalt"), await self.guest("juliet")
        with self.assertRaises(Refused) as caught:
            await tybalt.archive(room)
        self.assertEqual(caught.exception.condition, "forbidden")  # XEP-0313 section 6.2
        await answered(romeo.muc.set_affiliation(JID(room), "member", jid=juliet.bare, timeout=PATIENCE))
        self.assertEqual([text for _, _, text in await juliet.archive(room) if text], ["secret"])

    async def test_history(self) -> None:
        """Section 7.2.14: all ways to ask for less, as slixmpp asks."""
        room = self.room()
        (romeo,) = await self.together(room, "romeo")
        await self.say(room, romeo, "romeo", *[f"line {number}" for number in range(5)])
        juliet = await self.guest("juliet")

        async def shown(**limits: Any) -> list[str]:
            *_, history = await juliet.enter(room, "juliet", **limits)
            await juliet.leaves(room)
            return [message["body"] for message in history]

        self.assertEqual(await shown(), [f"line {number}" for number in range(5)])
        self.assertEqual(await shown(maxstanzas=2), ["line 3", "line 4"])
        self.assertEqual(await shown(maxchars=0), [])
        self.assertEqual(await shown(seconds=3600), [f"line {number}" for number in range(5)])
        tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
        self.assertEqual(await shown(since=tomorrow), [])
        self.assertEqual(await shown(since=tomorrow - datetime.timedelta(days=2), seconds=None), await shown())


class Occupants(RoomsCase):
    """Who is who, and who may do what."""

    async def test_occupant_ids(self) -> None:
        """XEP-0421: the same whatever the nickname and the visit, another one for everybody else."""
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet")
        juliet.say(room, "first")
        first = (await romeo.expect(kind="message", type="groupchat", text="first")).occupant
        self.assertTrue(first)
        await juliet.muc.set_self_nick(JID(room), "capulet", timeout=PATIENCE)
        self.assertEqual(
            (await romeo.expect(kind="presence", type="available", from_=f"{room}/capulet")).occupant, first
        )
        juliet.muc.our_nicks[None][JID(room)] = "capulet"
        await juliet.leaves(room)
        await juliet.enter(room, "julia")
        self.assertEqual((await romeo.expect(kind="presence", type="available", from_=f"{room}/julia")).occupant, first)
        romeo.say(room, "second")
        second = (await juliet.expect(kind="message", type="groupchat", text="second")).occupant
        self.assertNotEqual(first, second)

    async def test_two_devices(self) -> None:
        """A user's devices share a nickname, and the occupant has left when the last of them has."""
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet")
        garden = await self.guest("juliet", "garden", juliet.account)
        await garden.enter(room, "juliet")
        romeo.say(room, "both hear it")
        for device in (juliet, garden):
            await device.expect(kind="message", type="groupchat", text="both hear it")
        garden.say(room, "from the garden")
        for device in (romeo, juliet, garden):
            await device.expect(kind="message", type="groupchat", from_=f"{room}/juliet", text="from the garden")
        await garden.disconnect()
        await self.say(room, juliet, "juliet", "still here")
        await romeo.expect(kind="message", type="groupchat", text="still here")
        self.assertEqual(romeo.inbox.find(kind="presence", type="unavailable"), [])
        await juliet.disconnect()
        await romeo.expect(kind="presence", type="unavailable", from_=f"{room}/juliet")

    async def test_moderated_retraction(self) -> None:
        """XEP-0425: a moderator removes a message, for those who are there and in the archive."""
        if not OURS:
            self.skipTest("another version of XEP-0425")
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet")
        (id_,) = await self.say(room, juliet, "juliet", "something rude")
        heard: asyncio.Queue[Any] = asyncio.Queue()
        juliet.client.add_event_handler("moderated_message", heard.put_nowait)
        with self.assertRaises(Refused) as caught:
            await answered(juliet.client.plugin["xep_0425"].moderate(JID(room), id_, timeout=PATIENCE))
        self.assertEqual(caught.exception.condition, "forbidden")
        await answered(romeo.client.plugin["xep_0425"].moderate(JID(room), id_, "too rude", timeout=PATIENCE))
        told = await asyncio.wait_for(heard.get(), PATIENCE)
        self.assertEqual((told["from"], told["retract"]["id"]), (room, id_))
        self.assertEqual(told["retract"]["reason"], "too rude")
        self.assertNotIn("something rude", [text for _, _, text in await juliet.archive(room)])
        tybalt = await self.guest("tybalt")
        *_, history = await tybalt.enter(room, "tybalt")
        self.assertNotIn("something rude", [message["body"] for message in history])

    async def test_voice(self) -> None:
        """Section 7.13: a visitor asks for voice, a moderator gets a form, and grants it by sending it back."""
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet", moderatedroom=True)
        juliet.muc.request_voice(JID(room), "participant")
        asked = await romeo.expect(kind="message", type="normal", from_=room)
        form = asked.xml.find("{jabber:x:data}x")
        fields = {field.get("var"): field.findtext("{jabber:x:data}value") for field in form}
        self.assertEqual((fields["muc#jid"], fields["muc#roomnick"]), (juliet.full, "juliet"))
        answer = romeo.client.make_message(mto=room)
        x = Element("{jabber:x:data}x", type="submit")
        for var, value in {**fields, "muc#request_allow": "true"}.items():
            if var is not None:
                SubElement(SubElement(x, "{jabber:x:data}field", var=var), "{jabber:x:data}value").text = value
        answer.append(x)
        answer.send()
        await juliet.expect(kind="presence", type="available", from_=f"{room}/juliet", role="participant")

    async def test_registration(self) -> None:
        """Section 7.10: who registers a nickname is a member by it, and nobody else can have it."""
        if not OURS:
            self.skipTest("registers members alone")
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet")
        register = juliet.client.plugin["xep_0077"]
        form = (await answered(register.get_registration(JID(room), timeout=PATIENCE)))["register"]["form"]
        self.assertIn("muc#register_roomnick", form.get_fields())
        form.reply()
        form.get_fields()["muc#register_roomnick"]["value"] = "capulet"
        iq = juliet.client.make_iq_set(ito=room)
        iq["register"].append(form)
        await answered(iq.send(timeout=PATIENCE))
        listed = await answered(romeo.muc.get_affiliation_list(JID(room), "member", timeout=PATIENCE))
        self.assertEqual([str(jid) for jid in listed], [juliet.bare])
        tybalt = await self.guest("tybalt")
        with self.assertRaises(Refused) as caught:
            await tybalt.enter(room, "capulet")
        self.assertEqual(caught.exception.condition, "conflict")
        known = (await answered(register.get_registration(JID(room), timeout=PATIENCE)))["register"]
        self.assertTrue(known["registered"])
        self.assertEqual(known["username"], "capulet")

    async def test_who_belongs_to_a_private_group(self) -> None:
        """What clients that encrypt for all members ask: their real addresses, of a non-anonymous members-only room."""
        room = self.room()
        (romeo,) = await self.together(room, "romeo", membersonly=True, whois="anyone", persistentroom=True)
        juliet, nurse = await self.guest("juliet"), await self.guest("nurse")
        for jid in (juliet.bare, nurse.bare):
            await answered(romeo.muc.set_affiliation(JID(room), "member", jid=jid, timeout=PATIENCE))
        own, *_ = await juliet.enter(room, "juliet")
        self.assertIn(100, own["muc"]["status_codes"])
        seen = await juliet.expect(kind="presence", type="available", from_=f"{room}/romeo")
        self.assertEqual(seen.jid, romeo.full)
        lists = {"owner": {romeo.bare}, "admin": set(), "member": {juliet.bare, nurse.bare}}
        for affiliation, people in lists.items():
            found = await answered(juliet.muc.get_affiliation_list(JID(room), affiliation, timeout=PATIENCE))
            self.assertEqual({str(jid) for jid in found}, people)
        info = await juliet.disco_info(room)
        self.assertLessEqual({"muc_membersonly", "muc_nonanonymous"}, info.features)

    async def test_what_clients_ask_each_other(self) -> None:
        """Section 17.4: requests between occupants, with the addresses of the room on both ends."""
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet")
        self.assertEqual((await juliet.version(f"{room}/romeo"))[0], (await romeo.version(f"{room}/juliet"))[0])
        await romeo.vcard_set("Romeo Montague")
        self.assertEqual(await juliet.vcard_get(f"{room}/romeo"), "Romeo Montague")
        self.assertIn("urn:xmpp:ping", (await juliet.disco_info(f"{room}/romeo")).features)
        with self.assertRaises(Refused) as caught:
            await juliet.ping(f"{room}/nobody")
        self.assertEqual(caught.exception.condition, "item-not-found")

    async def test_self_ping(self) -> None:
        """XEP-0410, as slixmpp does it by itself; it is told when it was removed."""
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet")
        pings, own = juliet.client.plugin["xep_0410"], JID(f"{room}/juliet")
        self.assertEqual(await pings.send_self_ping(own, juliet.client.boundjid, timeout=PATIENCE), PingStatus.JOINED)
        self.assertIn("http://jabber.org/protocol/muc#self-ping-optimization", (await romeo.disco_info(room)).features)
        await answered(romeo.muc.set_role(JID(room), "juliet", "none", timeout=PATIENCE))
        await juliet.expect(kind="presence", type="unavailable", from_=f"{room}/juliet", codes={307})
        status = await pings.send_self_ping(own, juliet.client.boundjid, timeout=PATIENCE)
        self.assertEqual(status, PingStatus.DISCONNECTED)


class Service(RoomsCase):
    """What clients find out before they enter."""

    async def test_discovery(self) -> None:
        """Sections 6.2 to 6.5: the service, its rooms, what a room is like, and that a hidden one isn't listed."""
        room = self.room()
        romeo, juliet = await self.together(
            room, "romeo", "juliet", roomname="The orchard", roomdesc="of Capulet", publicroom=True
        )
        hidden = f"hidden-{room}"
        await romeo.create(hidden, "romeo", publicroom=False)
        self.assertIn(ROOMS, await juliet.disco_items(DOMAIN))
        info = await juliet.disco_info(ROOMS)
        self.assertIn(("conference", "text"), info.identities)
        self.assertIn("http://jabber.org/protocol/muc", info.features)
        listed = await juliet.disco_items(ROOMS)
        self.assertIn(room, listed)
        self.assertNotIn(hidden, listed)
        found = await answered(juliet.client.plugin["xep_0030"].get_info(jid=JID(room), cached=False, timeout=PATIENCE))
        identities = {(identity[0], identity[1], identity[3]) for identity in found["disco_info"]["identities"]}
        self.assertIn(("conference", "text", "The orchard"), identities)
        self.assertLessEqual(
            {"muc_public", "muc_open", "muc_unmoderated", "muc_semianonymous", "muc_unsecured"},
            set(found["disco_info"]["features"]),
        )
        values = found["disco_info"]["form"].get_values()
        self.assertEqual(values["muc#roominfo_description"], "of Capulet")
        self.assertEqual(values["muc#roominfo_occupants"], "2")

    async def test_vcard(self) -> None:
        """XEP-0486: owners give a room an avatar, all who are there are told of it, and who enters is."""
        if not OURS:
            self.skipTest("more than others do")
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet")
        vcards, picture = romeo.client.plugin["xep_0054"], b"\x89PNG\r\n\x1a\n" + bytes(2000)
        vcard = vcards.make_vcard()
        vcard["PHOTO"]["TYPE"], vcard["PHOTO"]["BINVAL"] = "image/png", picture
        with self.assertRaises(Refused) as caught:
            await answered(juliet.client.plugin["xep_0054"].publish_vcard(vcard, jid=JID(room), timeout=PATIENCE))
        self.assertEqual(caught.exception.condition, "forbidden")
        await answered(vcards.publish_vcard(vcard, jid=JID(room), timeout=PATIENCE))
        tybalt = await self.guest("tybalt")
        await tybalt.enter(room, "tybalt")
        for person in (juliet, tybalt):
            seen = await person.expect(kind="presence", type="available", from_=room)
            digest = hashlib.sha1(picture).hexdigest()
            self.assertEqual(seen.xml.findtext("{vcard-temp:x:update}x/{vcard-temp:x:update}photo"), digest)
        await juliet.expect(kind="message", type="groupchat", from_=room, codes={104})
        got = await answered(tybalt.client.plugin["xep_0054"].get_vcard(JID(room), cached=False, timeout=PATIENCE))
        self.assertEqual(got["vcard_temp"]["PHOTO"]["BINVAL"], picture)

    async def test_instant_room(self) -> None:
        """Section 10.1.2: locked until the form is sent back empty."""
        room, romeo = self.room(), await self.guest("romeo")
        juliet = await self.guest("juliet")
        own, *_ = await romeo.enter(room, "romeo")
        self.assertLessEqual({110, 201}, own["muc"]["status_codes"])
        with self.assertRaises(Refused) as caught:
            await juliet.enter(room, "juliet")
        self.assertEqual(caught.exception.condition, "item-not-found")
        form = await answered(romeo.muc.get_room_config(JID(room), timeout=PATIENCE))
        self.assertIn("muc#roomconfig_membersonly", form.get_fields())
        query = Element("{http://jabber.org/protocol/muc#owner}query")
        SubElement(query, "{jabber:x:data}x", type="submit")
        await romeo.ask(room, query, "set")
        await juliet.enter(room, "juliet")
        if not OURS:
            return
        other = f"other-{room}"  # what is new and not wanted after all is destroyed: 10.1.3
        await romeo.enter(other, "romeo")
        await answered(romeo.muc.cancel_config(JID(other), timeout=PATIENCE))
        seen = await romeo.expect(kind="presence", type="unavailable", from_=f"{other}/romeo")
        self.assertIsNotNone(seen.xml.find("{*}x/{*}destroy"))

    async def test_bookmarks(self) -> None:
        """XEP-0402: what a client says about its rooms is its own, whatever happens there."""
        room = self.room()
        romeo, juliet = await self.together(room, "romeo", "juliet")
        for plugin in ("xep_0060", "xep_0223", "xep_0402"):
            juliet.client.register_plugin(plugin)
        bookmark = Conference()
        bookmark["name"], bookmark["autojoin"], bookmark["nick"] = "The orchard", True, "juliet"
        pubsub = juliet.client.plugin["xep_0223"]
        await answered(pubsub.store(bookmark, "urn:xmpp:bookmarks:1", id=room, timeout=PATIENCE))
        await answered(romeo.muc.destroy(JID(room), timeout=PATIENCE))
        await juliet.expect(kind="presence", type="unavailable", from_=f"{room}/juliet")
        found = await answered(pubsub.retrieve("urn:xmpp:bookmarks:1", id=room, timeout=PATIENCE))
        item = found["pubsub"]["items"]["item"]
        self.assertEqual(
            (item["id"], item["conference"]["name"], item["conference"]["nick"]), (room, "The orchard", "juliet")
        )


class Killed(RoomsCase):
    """kill -9 of the server, with clients that resume (XEP-0198)."""

    async def test_nobody_notices(self) -> None:
        """All are still in the room, what was said all hear, once, in one order, and nobody saw anybody leave."""
        if not OURS:
            self.skipTest("more than others do")
        room = self.room()
        people = await self.together(room, "romeo", "juliet", "nurse", sm=True, roomname="The orchard")
        for person in people:
            await person.sees_all_said(room)
            person.inbox.clear()
        said: list[str] = []
        for person in people:
            person.client.add_filter("out", self._noting(person, said))

        async def talk(person: Guest) -> None:
            for number in range(40):
                person.say(room, f"{person.account}: {number}")
                await asyncio.sleep(0.01)

        async def kill() -> None:
            await asyncio.sleep(0.2)
            self.server.kill()
            await asyncio.to_thread(self.server.start)

        await asyncio.gather(kill(), *(talk(person) for person in people))
        await asyncio.gather(*(person.reconnects() for person in people))
        await eventually(lambda: all(len(self._heard(p, room)) >= len(said) for p in people), "all is heard by all")
        for person in people:
            await person.self_ping(room)
            heard = self._heard(person, room)
            self.assertEqual(sorted(heard), sorted(said))
            self.assertEqual(heard, self._heard(people[0], room))
            self.assertEqual(person.inbox.find(kind="presence"), [])
        self.assertEqual([text for _, _, text in await people[0].archive(room) if text], self._heard(people[0], room))
        self.assertGreater(len(said), 100)

    @staticmethod
    def _noting(person: Guest, said: list[str]) -> Any:
        """Return a filter that notes what slixmpp sends again if it has to.

        It forgets what is sent just when it finds that the connection is lost.
        """

        def note(stanza: Any) -> Any:
            if stanza.name == "message" and person.client.plugin["xep_0198"].enabled_out:
                said.append(stanza["body"])
            return stanza

        return note

    @staticmethod
    def _heard(person: Guest, room: str) -> list[str]:
        return [event.text for event in person.inbox.find(kind="message", type="groupchat", bare=room)]
