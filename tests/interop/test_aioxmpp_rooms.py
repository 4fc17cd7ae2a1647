"""Rooms as aioxmpp uses them: it keeps books of what a room says, and takes nothing that XEP-0045 does not allow."""

from __future__ import annotations

import asyncio
from typing import Any

import aioxmpp
import aioxmpp.muc
import aioxmpp.tracking

from tests.interop import scenario
from tests.interop.aio import AioxmppDevice, answered
from tests.interop.device import PATIENCE, Refused
from tests.interop.network.federation import eventually
from tests.interop.test_slixmpp_rooms import OURS, PROSODY, ROOMS

SIGNALS = (
    "on_enter",
    "on_exit",
    "on_join",
    "on_leave",
    "on_message",
    "on_muc_affiliation_changed",
    "on_muc_enter",
    "on_muc_resume",
    "on_muc_role_changed",
    "on_muc_role_request",
    "on_muc_suspend",
    "on_nick_changed",
    "on_presence_changed",
    "on_topic_changed",
)


class Lasting(AioxmppDevice):
    """Whose client goes on when a connection is lost, as aioxmpp does by itself."""

    def _on_failure(self, reason: BaseException) -> None:
        """Nothing has to be done."""


class Visit:
    """Somebody's visit to a room: what aioxmpp's `Room` has signalled, in order."""

    def __init__(self, room: Any, joined: asyncio.Future[None]) -> None:
        self.room, self.joined = room, joined
        self.signals: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        for name in SIGNALS:
            getattr(room, name).connect(self._noting(name))

    def _noting(self, name: str) -> Any:
        def note(*arguments: Any, **more: Any) -> None:
            self.signals.append((name, arguments, more))

        return note

    async def signal(self, name: str, **wanted: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Take out the first signal of this name with these keyword arguments, waiting for it."""

        def found() -> Any:
            for entry in self.signals:
                if entry[0] == name and all(entry[2].get(key) == value for key, value in wanted.items()):
                    return entry
            return None

        await eventually(lambda: found() is not None, f"{name} with {wanted}; there is {self.signals}")
        entry = found()
        self.signals.remove(entry)
        return entry[1], entry[2]

    async def says(self, text: str) -> None:
        """Say something, and wait until the room has sent it back, which aioxmpp finds out by ids and bodies."""
        message = aioxmpp.Message(type_=aioxmpp.MessageType.GROUPCHAT)
        message.body[None] = text
        token, tracker = self.room.send_message_tracked(message)
        delivered = aioxmpp.tracking.MessageState.DELIVERED_TO_RECIPIENT
        await eventually(lambda: tracker.state == delivered, f"{text} is reflected; it is {tracker.state}")
        del token

    async def hears(self, text: str) -> Any:
        """Return the member who says this next."""
        while True:
            (message, member, _), _ = await self.signal("on_message")
            if message.body.any() == text:
                return member

    @property
    def nicks(self) -> set[str]:
        """Who is there, as aioxmpp has it."""
        return {member.nick for member in self.room.members}


class Rooms(scenario.LiveCase):
    """aioxmpp's own implementation of XEP-0045."""

    extra = "" if OURS else PROSODY

    async def device(self, name: str) -> AioxmppDevice:
        device = Lasting(self.server, await self.account(name), "x", scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        await device.connect()
        device.client.summon(aioxmpp.MUCClient)
        device.presence()
        await device.fence()
        return device

    @property
    def address(self) -> Any:
        """A room that no other test uses."""
        return aioxmpp.JID.fromstr(f"orchard{self.number}@{ROOMS}")

    def muc(self, device: AioxmppDevice) -> Any:
        """aioxmpp's service."""
        return device.client.summon(aioxmpp.MUCClient)

    async def enter(self, device: AioxmppDevice, nick: str, **more: Any) -> Visit:
        """Enter and wait until the history is over, which the subject tells; raises Refused."""
        visit = Visit(*self.muc(device).join(self.address, nick, **more))
        await answered(visit.joined)
        await eventually(lambda: visit.room.muc_state == aioxmpp.muc.RoomState.ACTIVE, "the subject ends the history")
        return visit

    async def create(self, device: AioxmppDevice, nick: str, **options: Any) -> Visit:
        """Enter a new room, and configure it by aioxmpp's form, which looks at the types of all fields."""
        visit = Visit(*self.muc(device).join(self.address, nick))
        await answered(visit.joined)
        _, more = await visit.signal("on_muc_enter")
        codes = {getattr(code, "value", code) for code in more["muc_status_codes"]}
        self.assertLessEqual({110, 201}, codes)
        data = await answered(self.muc(device).get_room_config(self.address))
        form = aioxmpp.muc.ConfigurationForm.from_xso(data)
        for name, value in options.items():
            getattr(form, name).value = value
        await answered(self.muc(device).set_room_config(self.address, form.render_reply()))
        await eventually(lambda: visit.room.muc_state == aioxmpp.muc.RoomState.ACTIVE, "the subject ends the history")
        return visit

    async def both(self, **options: Any) -> tuple[Visit, Visit, AioxmppDevice, AioxmppDevice]:
        """Return Romeo's visit to his room, and Juliet's, and their devices."""
        romeo, juliet = await self.device("romeo"), await self.device("juliet")
        his = await self.create(romeo, "romeo", **options)
        hers = await self.enter(juliet, "juliet")
        (member,), _ = await his.signal("on_join")
        self.assertEqual((member.nick, str(member.direct_jid)), ("juliet", juliet.bare))
        self.assertEqual((his.nicks, hers.nicks), ({"romeo", "juliet"}, {"romeo", "juliet"}))
        return his, hers, romeo, juliet

    async def test_talk(self) -> None:
        """Messages and their reflections, history, subjects, nicknames, leaving."""
        his, hers, _, juliet = await self.both(changesubject=True)
        await his.says("But, soft!")
        self.assertEqual((await hers.hears("But, soft!")).nick, "romeo")
        await hers.says("Ay me!")
        self.assertEqual((await his.hears("Ay me!")).nick, "juliet")
        await hers.room.set_topic({None: "the balcony"})
        for visit in (his, hers):
            (member, topic), more = await visit.signal("on_topic_changed", muc_nick="juliet")
            self.assertEqual((member.nick, topic.any()), ("juliet", "the balcony"))
        await hers.room.set_nick("capulet")
        for visit in (his, hers):
            (_, old, new), _ = await visit.signal("on_nick_changed")
            self.assertEqual((old, new), ("juliet", "capulet"))
        self.assertEqual(his.nicks, {"romeo", "capulet"})
        await hers.says("still I")
        self.assertEqual((await his.hears("still I")).nick, "capulet")
        await answered(hers.room.leave())
        _, more = await his.signal("on_leave")
        self.assertEqual(more["muc_leave_mode"], aioxmpp.muc.LeaveMode.NORMAL)
        again = await self.enter(juliet, "juliet", history=aioxmpp.muc.xso.History(maxstanzas=2))
        self.assertEqual((await again.hears("Ay me!")).nick, "juliet")
        self.assertEqual((await again.hears("still I")).nick, "capulet")
        self.assertEqual(again.room.muc_subject.any(), "the balcony")

    async def test_roles_and_affiliations(self) -> None:
        """Voice by request, affiliations, a kick and a ban, as each side's books have it."""
        his, hers, romeo, juliet = await self.both(moderatedroom=True)
        self.assertEqual(hers.room.me.role, "visitor")
        await hers.room.muc_request_voice()
        (form, answer), _ = await his.signal("on_muc_role_request")
        self.assertEqual((str(form.jid.value), form.roomnick.value), (juliet.full, "juliet"))
        form.request_allow.value = True
        answer.set_result(form.render_reply())
        await hers.signal("on_muc_role_changed")
        self.assertEqual(hers.room.me.role, "participant")
        await hers.says("thank you")
        muc = self.muc(romeo)
        her = aioxmpp.JID.fromstr(juliet.bare)
        await answered(his.room.muc_set_affiliation(her, "admin", reason="trusted"))
        _, more = await hers.signal("on_muc_affiliation_changed")
        self.assertEqual(more["reason"], "trusted")
        self.assertEqual((hers.room.me.affiliation, hers.room.me.role), ("admin", "moderator"))
        self.assertEqual(await answered(muc.get_affiliated(self.address, "admin")), [her])
        await answered(muc.set_affiliation(self.address, her, "none"))
        await answered(his.room.muc_set_role("juliet", "none", reason="enough"))
        _, more = await hers.signal("on_exit", muc_leave_mode=aioxmpp.muc.LeaveMode.KICKED)
        self.assertEqual(more["muc_reason"], "enough")
        hers = await self.enter(juliet, "juliet")
        await answered(muc.set_affiliation(self.address, her, "outcast", reason="out"))
        _, more = await hers.signal("on_exit", muc_leave_mode=aioxmpp.muc.LeaveMode.BANNED)
        self.assertEqual(more["muc_reason"], "out")
        await eventually(lambda: his.nicks == {"romeo"}, "he sees that she has gone")
        with self.assertRaises(Refused) as caught:
            await self.enter(juliet, "juliet")
        self.assertEqual(caught.exception.condition, "forbidden")

    async def test_members_and_invitations(self) -> None:
        """A members-only room with a name: who is invited is let in."""
        his, hers, romeo, _ = await self.both(membersonly=False, roomname="The orchard")
        nurse = await self.device("nurse")
        data = await answered(self.muc(romeo).get_room_config(self.address))
        form = aioxmpp.muc.ConfigurationForm.from_xso(data)
        self.assertEqual(form.roomname.value, "The orchard")
        form.membersonly.value = True
        await answered(self.muc(romeo).set_room_config(self.address, form.render_reply()))
        await hers.signal("on_exit", muc_leave_mode=aioxmpp.muc.LeaveMode.MODERATION_CHANGE)
        with self.assertRaises(Refused) as caught:
            await self.enter(nurse, "nurse")
        self.assertEqual(caught.exception.condition, "registration-required")
        invited: asyncio.Queue[Any] = asyncio.Queue()
        # A function that is kept, for aioxmpp holds handlers as long as they say.
        self.muc(nurse).on_muc_invitation.connect(
            lambda _stanza, address, inviter, mode, **more: invited.put_nowait((address, inviter, mode, more))
        )
        mode = aioxmpp.im.InviteMode.MEDIATED
        await his.room.invite(aioxmpp.JID.fromstr(nurse.bare), text="come", mode=mode)
        address, _, mode, more = await asyncio.wait_for(invited.get(), PATIENCE)
        self.assertEqual((address, mode, more["reason"]), (self.address, aioxmpp.im.InviteMode.MEDIATED, "come"))
        theirs = await self.enter(nurse, "nurse")
        self.assertEqual(theirs.room.me.affiliation, "member")
        self.assertEqual(theirs.nicks, {"romeo", "nurse"})

    async def test_the_server_dies(self) -> None:
        """kill -9: aioxmpp resumes its stream, and goes on in the room as if nothing had been."""
        if not OURS:
            self.skipTest("more than others do")
        his, hers, romeo, juliet = await self.both()
        await his.says("before")
        await hers.hears("before")
        for device in (romeo, juliet):
            await device.fence()
        self.server.kill()
        await asyncio.to_thread(self.server.start)
        await his.says("after")
        self.assertEqual((await hers.hears("after")).nick, "romeo")
        for visit in (his, hers):
            gone = {name for name, *_ in visit.signals} & {"on_muc_suspend", "on_leave", "on_exit", "on_join"}
            self.assertEqual(gone - {"on_join"}, set())
            self.assertEqual(visit.nicks, {"romeo", "juliet"})
