"""What people send each other by way of a room: requests, private messages, invitations, and forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from xmppd.api import Condition, IHost, Iq, Jid, Message, StanzaError, settled
from xmppd.api.limits import Window
from xmppd.plugins.muc.room import hats, inviting, leaving, registering, remembering, speaking, tokens, versions, voice
from xmppd.plugins.muc.room.elements import child
from xmppd.plugins.muc.room.forms import form_type
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.relaying import Relay, Relaying, outside
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import USER
from xmppd.plugins.muc.service.tables import HEAVY, NOTES, ROOMS
from xmppd.wire import ns

if TYPE_CHECKING:
    from xmppd.plugins.muc.options import MucOptions

__all__ = ["Between", "forget", "named_in_notes"]

_MINUTE = 60.0


class Between:
    """Has the rules of rooms applied to that, and counts how often somebody does it.

    :ivar relay: what is under way.
    """

    def __init__(
        self, host: IHost, options: MucOptions, now: Callable[[], float], admit: Callable[[Jid], None]
    ) -> None:  # fmt: skip
        self._host = host
        self._admit = admit
        self._now = now
        self.relay = Relay(Relaying())
        self._invitations = Window(0, _MINUTE)
        self._requests = Window(0, _MINUTE)
        self._registrations = Window(0, _MINUTE)
        self.reconfigure(options)

    def reconfigure(self, options: MucOptions) -> None:
        """Take other options."""
        self._options = options
        self.relay.limits = Relaying(options.max_relayed, options.max_requests, options.request_seconds)
        self._invitations.set_limits(options.invitations_per_minute, _MINUTE)
        self._requests.set_limits(options.voice_requests_per_minute, _MINUTE)
        self._registrations.set_limits(options.registrations_per_minute, _MINUTE)

    def expire(self) -> None:
        """Tell those who wait for an answer too long that none has come."""
        for iq in self.relay.expire(self._now()):
            self._host.send(iq)

    # Requests

    async def pass_on(self, room: Room | None, iq: Iq) -> None:
        """Pass on a request to an occupant, or an answer to whom it is for.

        :raises StanzaError: as :meth:`~xmppd.plugins.muc.room.relaying.Relay.request`; where there is no such room,
            the same as for those who are not in it.
        """
        if not iq.answerable:
            passed = self.relay.answer(iq)
        elif room is None:
            raise outside(iq)
        else:
            passed = self.relay.request(room, iq, self._now())
        if passed is not None:
            await settled(self._host.route(passed.along(iq)))

    def count(self, iq: Iq) -> None:
        """A request to a room is about to be answered.

        Registrations are what admins may be asked about, and each of them at their account as well.

        :raises StanzaError: resource-constraint for too many of a kind; not-allowed to register for those whom the
            operator lets into no room, who can't change anything in one either: as
            :meth:`~xmppd.plugins.muc.service.guard.Guard.admit`.
        """
        if iq.names[0] != (registering.NS, "query"):
            if iq.type == "set":
                self._admit(iq.sender.bare)
            return
        if iq.type == "set":
            self._count(self._registrations, iq.sender.bare, 1, "You have registered too often")
        if child(iq.request, registering.NS, "remove") is None:
            try:
                self._admit(iq.sender.bare)
            except StanzaError as error:
                raise StanzaError(Condition.NOT_ALLOWED, text=error.text) from None

    def spare(self, room: Room, who: Jid, outcome: Outcome) -> None:
        """Leave out of what a request leads to what too many people would be told who are not in the room.

        That they are members now, or that somebody wants to be, is no reason to send a message to any number of people:
        it counts like invitations.

        :param who: the bare real address of who has asked for it.
        """
        now, sent = self._now(), outcome.sent
        for place, (stanza, recipients) in enumerate(sent):
            if isinstance(stanza, Message):
                told = [to for to in recipients if to.resource or to in room.devices or self._may_tell(who, now)]
                sent[place] = (stanza, told)

    def _may_tell(self, who: Jid, now: float) -> bool:
        if self._invitations.full(who, now):
            return False
        self._invitations.add(who, now)
        return True

    # Messages

    def private(self, room: Room, message: Message) -> Outcome:
        """Take a private message, and remember who has sent it."""
        outcome = speaking.tell(room, message)
        self.relay.remember(room, message, outcome, self._now())
        return outcome

    def failed(self, room: Room, message: Message) -> Outcome:
        """Take an error that answers something the room has sent: a message to all, a private one, an invitation."""
        outcome = leaving.bounced(room, message, self._now(), self.relay.remembers(message))
        failed = self.relay.failed(message) if message.recipient.resource else inviting.bounced(room, message)
        return failed.add(outcome)

    def message(self, room: Room, message: Message) -> Outcome:
        """Take a message to the room that is no groupchat message: an invitation, or a form.

        :raises StanzaError: bad-request for anything else (section 17.2); resource-constraint, if somebody does that
            too often; else as the rules of each say.
        """
        now, sender = self._now(), message.sender
        if message.type == "normal":
            wanted = inviting.invitees(message)
            if wanted:
                self._count(self._invitations, sender.bare, len(wanted), "You have invited too many people")
                return inviting.invite(room, message, now)
            if child(message.child(USER, "x"), USER, "decline") is not None:
                return inviting.decline(room, message)
            x = message.child(ns.DATA_FORMS, "x")
            type_ = "" if x is None else form_type(x)
            if x is not None and type_ == voice.REQUEST:
                if voice.asks(room, message):
                    self._count(self._requests, f"{room.number} {sender.bare}", 1, "You have asked too often")
                return voice.submit(room, message, x)
            if x is not None and type_ == registering.REGISTER:
                return registering.decide(room, message, x, now)
        raise StanzaError(Condition.BAD_REQUEST, text="A message to a room has the type groupchat.")

    def _count(self, window: Window, key: str, events: int, text: str) -> None:
        for _ in range(events):
            if window.full(key, self._now()):
                raise StanzaError(Condition.RESOURCE_CONSTRAINT, text=f"{text}; wait a minute.")
            window.add(key, self._now())


def forget(room: Room, who: Jid) -> Outcome:
    """Forget what a room has noted of somebody who exists no more: a bare address."""
    out = registering.forget(room, who).add(inviting.forget(room, who)).add(tokens.forget(room, who))
    out.changes += [*hats.forget(room, who), *versions.forget(room, who)]
    remembering.forget(room, who, out)
    return out


def named_in_notes(connection: Connection, service: Jid, who: Jid) -> Sequence[Jid]:
    """Return the rooms that may have noted something of somebody, by a bare address."""
    query = (
        select(ROOMS.c.name)
        .join(NOTES, NOTES.c.room == ROOMS.c.number)
        .where(ROOMS.c.service == str(service), NOTES.c.name.not_in(HEAVY))
        .where(NOTES.c.value.contains(str(who), autoescape=True))
        .distinct()
    )
    return [Jid.of(name, service.domain) for name in connection.execute(query).scalars()]
