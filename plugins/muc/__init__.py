"""XEP-0045 Multi-User Chat: rooms."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Collection, Iterable
from typing import Any

from twisted.internet.defer import Deferred

from xmppd.api import (
    AccountDeleted,
    Condition,
    Iq,
    Jid,
    Message,
    Presence,
    ServerReachable,
    ServerUnreachable,
    StanzaError,
    StorageUnavailable,
    observe,
    settled,
)
from xmppd.api.disco import DiscoComponent
from xmppd.api.figures import Figure
from xmppd.api.limits import Window
from xmppd.api.muc import Entering, IRooms, Speaking
from xmppd.api.pace import Pace
from xmppd.plugins.muc.options import MucOptions
from xmppd.plugins.muc.room import entering, leaving, moving, owner, speaking, versions
from xmppd.plugins.muc.room.outcome import Affiliated, Change, Outcome
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Limits, Room, Service
from xmppd.plugins.muc.room.words import MUC
from xmppd.plugins.muc.service import archive, between, requests, store, tables
from xmppd.plugins.muc.service.absent import Absent
from xmppd.plugins.muc.service.archive import RoomArchive
from xmppd.plugins.muc.service.archive_operations import ArchiveOperations
from xmppd.plugins.muc.service.between import Between
from xmppd.plugins.muc.service.delivering import Delivering
from xmppd.plugins.muc.service.discovery import SERVICE_FEATURES, Discovery
from xmppd.plugins.muc.service.guard import Guard
from xmppd.plugins.muc.service.indicators import Indicators
from xmppd.plugins.muc.service.missing import Missing
from xmppd.plugins.muc.service.rooms import Rooms
from xmppd.plugins.muc.service.searching import ChannelSearch
from xmppd.plugins.muc.service.signing import signed
from xmppd.wire import ns

_SECRET_OCTETS = 32
#: Seconds after the start in which those whose sessions go on are waited for.
_COMING_BACK = 5.0
_HOUSEKEEPING = _MINUTE = 60.0
_EXPIRY = 600.0


class Muc(ArchiveOperations, Discovery, ChannelSearch, DiscoComponent):
    """Rooms in which many people talk with each other."""

    label = "conference"
    xep = (
        (45, "1.35.5"), (249, "1.2"), (307, "0.1"), (313, "1.1.3"), (317, "0.3.1"), (359, "0.7.0"), (410, "1.1.0"),
        (421, "1.0.1"), (424, "0.4.2"), (425, "0.3.0"), (431, "0.2.0"), (433, "0.1.0"), (437, "0.2.0"), (452, "0.2.2"),
        (463, "0.2.0"), (486, "0.1.0"), (488, "0.1.0"), (500, "0.1.1"), (502, "0.1.0"),
    )  # fmt: skip
    features = SERVICE_FEATURES
    provides = (IRooms,)
    tables = (*tables.TABLES, *archive.TABLES)

    class Options(MucOptions):
        """Rooms, and what is allowed in them."""

    async def start(self) -> None:
        await self._open()
        self._asleep = True
        self._turns: set[Deferred[None]] = set()
        self.later(_COMING_BACK, self._keep_house)
        self.every(_HOUSEKEEPING, self._keep_house)
        self.every(_EXPIRY, lambda: self.archive.keep_house())

    async def stop(self) -> None:
        """Have nobody wait for ever to enter."""
        for turn in list(self._turns):
            turn.errback(StanzaError(Condition.RESOURCE_CONSTRAINT, text="Rooms are about to stop; try again."))

    async def _open(self) -> None:
        self.identities = (("conference", "text", self.options.name),)
        new = secrets.token_bytes(_SECRET_OCTETS)
        secret = await self.db.write(lambda c: store.service_secret(c, self.jid, new))
        self.service = Service(self.jid, secret, self._limits(), lambda who: who in self.host.admins)
        self._take_room_options()
        self.rooms = Rooms(self.db, self.service)
        self.archive = RoomArchive(self.host, self.jid, lambda: self.options)
        await self.archive.start()
        self.indicators = Indicators(self.host, self.jid, self.archive, lambda: self.options, self.later)
        missing = Missing(self.host, self.indicators)
        pace = Pace(self.later, lambda: float(self.options.presence_per_second))
        self.delivering = Delivering(self.host, self.rooms, self.archive, missing, self.indicators, pace)
        self.guard = Guard(self.host, self.rooms, self.options, self.clock.seconds)
        await self.guard.load()
        self.between = Between(self.host, self.options, self.clock.seconds, self.guard.admit)
        self.searches = Window(self.options.searches_per_minute, _MINUTE)
        self.absent = Absent(self.host, self.rooms, self.delivering, pace, self.clock.seconds)

    async def reconfigured(self, options: Any) -> None:
        """Take other limits. Under another domain there are other rooms."""
        self.identities = (("conference", "text", options.name),)
        if self.jid != self.service.jid:
            await self._open()
            return
        self.service.limits = self._limits()
        self._take_room_options()
        await self.archive.reconfigured()
        self.guard.reconfigure(options)
        self.between.reconfigure(options)
        self.searches.set_limits(options.searches_per_minute, _MINUTE)
        for room in list(self.rooms.loaded.values()):
            await self._enforce(room)

    def _take_room_options(self) -> None:
        self.service.defaults = self.options.defaults.stated()
        self.service.forced = self.options.forced.stated()

    def _limits(self) -> Limits:
        options = self.options
        return Limits(
            occupants=options.max_occupants,
            devices=options.max_devices,
            history=options.max_history,
            history_octets=options.max_history_octets,
            affiliations=options.max_affiliations,
            nick_characters=options.max_nick,
            vcard_octets=options.max_vcard,
            hats=options.max_hats,
            hat_characters=options.max_hat,
            hats_each=options.max_hats_each,
            hats_worn=options.max_hats_worn,
            mentions=options.max_mentions,
            removals=options.max_removals,
            tokens=options.max_tokens,
            token_seconds=options.max_token_seconds,
            token_uses=options.max_token_uses,
            items=options.max_items,
            reason_characters=options.max_reason,
            at_once=options.presence_per_second,
            text_characters=options.max_text,
            contacts=options.max_contacts,
            invitations=options.max_invitations,
            registrations=options.max_registrations,
            form_characters=options.max_registration,
        )

    def figures(self) -> Iterable[Figure]:
        loaded = self.rooms.loaded.values()
        yield Figure("rooms", "Rooms there are.", self.rooms.total)
        yield Figure("loaded_rooms", "Rooms in memory.", len(loaded))
        yield Figure("occupants", "Occupants of rooms.", sum(len(room.occupants) for room in loaded))
        yield Figure("devices", "Devices that occupants are in rooms with.", sum(len(room.devices) for room in loaded))
        yield Figure("messages", "Messages to everybody in a room.", self.delivering.said, grows=True)
        yield Figure("deliveries", "Devices that these were sent to.", self.delivering.heard, grows=True)

    # Rooms

    async def people_of(self, room: Jid) -> Collection[Jid] | None:
        """See IRooms."""
        found = await self.room(room) if room.domain == self.jid else None
        if found is None:
            return None
        members = {who for who, one in found.members.items() if one.affiliation.rank >= Affiliation.MEMBER.rank}
        return members | {occupant.who for occupant in found.occupants.values()}

    async def room(self, jid: Jid) -> Room | None:
        """Return the room with an address, as it is now; None if there is none. Fails with StorageUnavailable."""
        there = jid in self.rooms.loaded
        room = await self.rooms.load(jid)
        if room is not None and not there:
            if jid in self.rooms.unseen:  # only the first of those who have waited for it: others may be in it by now
                self.rooms.unseen.discard(jid)
                await self.absent.take_stock(room)
            await self._enforce(room)
            return self.rooms.loaded.get(jid)
        return room

    async def _enforce(self, room: Room) -> None:
        """Give a room the options that the operator has decided, with all that follows from them."""
        config = self.service.allowed(room.config)
        if config != room.config:
            outcome = owner.reconfigure(room, config, self.clock.seconds())
            await settled(self.delivering.on_behalf(room, outcome))

    async def _keep_house(self) -> None:
        """Keep those rooms in memory no longer that nobody needs."""
        try:
            if self._asleep:
                await self._wake_rooms()
            await self.rooms.tidy(self.clock.seconds(), self.options.idle_seconds)
        except StorageUnavailable as error:
            self.log.warn("rooms are looked after when the database can be used again: {reason}", reason=error.reason)
        self.between.expire()
        await self.absent.sweep()

    async def _wake_rooms(self) -> None:
        """After the start: have those leave the rooms who are not there any more."""
        occupied = await self.db.read(lambda c: store.occupied(c, self.jid))
        self._asleep = False
        for jid in occupied:
            room = await self.room(jid)
            if room is not None:
                await self.absent.ask(room)
        await self.indicators.load()

    @observe(ServerUnreachable)
    async def server_lost(self, event: ServerUnreachable) -> None:
        """The users of a server that can't be reached leave all rooms."""
        self.indicators.lose(event.domain)
        await self.absent.lose(event.domain)

    @observe(ServerReachable)
    async def server_found(self, event: ServerReachable) -> None:
        """They are told when it can be reached."""
        await self.absent.found(event.domain)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Somebody exists no more, and is nothing to any room. Bans stay: somebody may come under the same name."""
        who = event.account
        await self.indicators.forget(who)
        for jid in await self.db.read(lambda c: store.affiliated(c, self.jid, who)):
            room = await self.room(jid)
            if room is not None and room.affiliation(who) is not Affiliation.OUTCAST and who in room.members:
                changes: list[Change] = [*versions.forget(room, who), Affiliated(who, None)]
                del room.members[who]
                await settled(self.delivering.on_behalf(room, Outcome(changes=changes)))
        for jid in await self.db.read(lambda c: between.named_in_notes(c, self.jid, who)):
            room = await self.room(jid)
            if room is not None:
                await settled(self.delivering.on_behalf(room, between.forget(room, who)))

    # Stanzas

    @signed
    def presence(self, presence: Presence) -> Awaitable[None] | None:
        """Take presence: somebody enters, leaves, or has another status."""
        if not presence.recipient.local:
            self.indicators.presence(presence, self.guard.admit)
            return None
        room = self.rooms.loaded.get(presence.recipient.bare)
        return self._presence_later(presence) if room is None else self._presence(room, presence)

    async def _presence_later(self, presence: Presence) -> None:
        room = await self.room(presence.recipient.bare)
        if room is None and presence.type == "available" and presence.has(MUC, "x"):
            await self.guard.may_own(presence.sender.bare)
        # Others may have waited for the same, and one of them has made the room.
        await settled(self._presence(self.rooms.loaded.get(presence.recipient.bare), presence))

    def _presence(self, room: Room | None, presence: Presence) -> Awaitable[None] | None:
        now = self.clock.seconds()
        if presence.type == "unavailable":
            last = self.guard.last_words(presence)
            return None if room is None else self._done(room, leaving.exit(room, last, now), presence)
        if presence.type == "error":
            return None if room is None else self._done(room, leaving.bounced(room, presence, now), presence)
        if presence.type != "available":
            return None  # section 17.3: it is neither
        if presence.has(MUC, "x"):
            return self._enter(room, presence, now)
        if room is None or presence.sender not in room.devices:
            return self.host.route(moving.not_there(presence).along(presence))
        self.guard.show(presence)
        self.guard.change(presence.sender, room)
        self.host.will_store(presence)
        return self._done(room, moving.update(room, presence, now), presence)

    def _enter(self, room: Room | None, presence: Presence, now: float, waited: bool = False) -> Awaitable[None] | None:
        self.guard.show(presence)
        self.host.will_store(presence)
        if room is None:
            jid = presence.recipient.bare
            entering.check_nick(self.service, presence.recipient.resource)
            self.guard.enter(presence.sender, None)
            self._ask(Entering(jid, presence.sender, presence, created=True))
            return self._create(jid, presence, now)
        self._check(room, presence, now)
        if not room.history.loaded:
            return self._enter_later(room, presence, waited)
        wait = 0.0 if waited else self.guard.enter(presence.sender, room)
        if wait:
            return self._enter_in_turn(room, presence, wait)
        self._ask(Entering(room.jid, presence.sender, presence, created=False))
        return self._done(room, moving.enter(room, presence, now), presence)

    def _check(self, room: Room, presence: Presence, now: float) -> None:
        try:
            entering.check(room, presence, now)
        except StanzaError as error:
            if error.condition is Condition.NOT_AUTHORIZED:
                self.guard.guessed(presence.sender)
            raise

    def _create(self, jid: Jid, presence: Presence, now: float) -> Awaitable[None] | None:
        room = self.rooms.make(jid, self.service.new_config(), now)
        try:
            outcome = entering.create(room, presence, now)
        except StanzaError:
            self.rooms.remove(jid)
            raise
        return self._done(room, outcome, presence)

    async def _enter_later(self, room: Room, presence: Presence, waited: bool) -> None:
        """Read first what was said, and look again whether it is still the same room, and they may enter it."""
        await self.archive.fill(room)
        await self._enter_again(room.jid, presence, waited)

    async def _enter_in_turn(self, room: Room, presence: Presence, wait: float) -> None:
        """The same after others, who came before."""
        turn: Deferred[None] = Deferred()
        self._turns.add(turn)
        self.later(wait, lambda: turn.callback(None))
        try:
            await turn
        finally:
            self._turns.discard(turn)
        await self._enter_again(room.jid, presence, waited=True)

    async def _enter_again(self, jid: Jid, presence: Presence, waited: bool) -> None:
        """Whatever has become of the room: if it is gone, who enters makes one, and has to be allowed to."""
        if await self.room(jid) is None:
            await self.guard.may_own(presence.sender.bare)
        await settled(self._enter(self.rooms.loaded.get(jid), presence, self.clock.seconds(), waited))

    def _ask(self, event: Entering | Speaking) -> None:
        """Ask other plugins. :raises StanzaError: if one of them refuses."""
        self.host.notify(event)
        if event.refusal is not None:
            raise event.refusal

    def _done(self, room: Room, outcome: Outcome, cause: Presence | Message) -> Awaitable[None] | None:
        return self.delivering.deliver(room, outcome, cause)

    @signed
    def message(self, message: Message) -> Awaitable[None] | None:
        """Take a message to a room, or to one of its occupants."""
        if message.type != "error":
            self.guard.check_id(message)
        if not message.recipient.local:
            self.indicators.bounced(message)
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        room = self.rooms.loaded.get(message.recipient.bare)
        return self._message_later(message) if room is None else self._message(room, message)

    async def _message_later(self, message: Message) -> None:
        room = await self.room(message.recipient.bare)
        if room is not None:
            await settled(self._message(room, message))
        elif message.type != "error":
            raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such room.")

    def _message(self, room: Room, message: Message) -> Awaitable[None] | None:
        now = self.clock.seconds()
        if message.type == "error":
            return self._done(room, self.between.failed(room, message), message)
        if room.locked and message.sender not in room.devices:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text="The room is not there yet.")  # section 17.2
        if message.recipient.resource:
            outcome = self.between.private(room, message)
        elif message.type == "groupchat":
            room.occupant_of(message.sender)
            self.guard.speak(message.sender, room, message)
            self._ask(Speaking(room.jid, message.sender, message))
            if message.has(ns.CLIENT, "subject"):
                self.host.will_store(message)
            outcome = speaking.say(room, message, now)
        else:
            outcome = self.between.message(room, message)
        return self._done(room, outcome, message)

    async def iq(self, iq: Iq) -> None:
        """Take a request to a room, or one to an occupant or the answer to it."""
        if iq.answerable:
            self.guard.check_id(iq)
        if not iq.recipient.local:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        room = await self.room(iq.recipient.bare)
        await requests.receive(self, room, iq)
