"""A slixmpp client that goes into rooms (XEP-0045), and what it sees there, read from the XML itself."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from dataclasses import dataclass, fields
from typing import Any
from xml.etree.ElementTree import Element

from slixmpp import JID
from slixmpp.exceptions import PresenceError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from tests.interop.device import PATIENCE, Event, Refused
from tests.interop.network.person import Person
from tests.interop.slix import answered

USER = "{http://jabber.org/protocol/muc#user}"
ROOM_PLUGINS = (
    "xep_0004",
    "xep_0045",
    "xep_0059",
    "xep_0128",
    "xep_0249",
    "xep_0297",
    "xep_0313",
    "xep_0359",
    "xep_0410",
    "xep_0421",
    "xep_0424",
    "xep_0425",
)


@dataclass(frozen=True, repr=False)
class Seen(Event):
    """Presence or a message, with what a room says in it.

    `codes` are the status codes; `affiliation`, `role`, `jid` and `nick` those of the item, with `actor` (a nick) and
    `why` (the reason); `subject` is None if there is no such element; `id` and `origin` the stanza's and that of
    XEP-0359 by the room; `occupant` that of XEP-0421; `names` the children in {namespace}name form.
    """

    codes: frozenset[int] = frozenset()
    affiliation: str = ""
    role: str = ""
    jid: str = ""
    nick: str = ""
    actor: str = ""
    why: str = ""
    subject: str | None = None
    id: str = ""
    origin: str = ""
    occupant: str = ""
    names: tuple[str, ...] = ()
    xml: Any = None

    def has(self, wanted: dict[str, object]) -> bool:
        """Of `codes`, all that are wanted have to be there, and there may be more."""
        return all(
            frozenset(value) <= self.codes if name == "codes" else getattr(self, name, None) == value  # type: ignore[call-overload]
            for name, value in wanted.items()
        )

    def __repr__(self) -> str:
        """Return what there is of it."""
        told = [f for f in fields(self) if f.name not in ("xml", "names") and getattr(self, f.name) != f.default]
        return f"<{' '.join(f'{f.name}={getattr(self, f.name)!s}' for f in told)}>"


def _item(x: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    item = x.find(f"{USER}item")
    if item is not None:
        found = {name: item.get(name, "") for name in ("affiliation", "role", "jid", "nick")}
        actor, reason = item.find(f"{USER}actor"), item.find(f"{USER}reason")
        found["actor"] = "" if actor is None else actor.get("nick", actor.get("jid", ""))
        found["why"] = "" if reason is None else reason.text or ""
    return found


def _of_the_room(stanza: Any) -> dict[str, Any]:
    """Return what a room has added to a stanza."""
    xml = stanza.xml
    found: dict[str, Any] = {"xml": xml, "id": xml.get("id", ""), "names": tuple(child.tag for child in xml)}
    for x in xml.findall(f"{USER}x"):
        found |= _item(x)
        found["codes"] = frozenset(int(status.get("code", "0")) for status in x.findall(f"{USER}status"))
    for id_ in xml.findall("{urn:xmpp:sid:0}stanza-id"):
        if id_.get("by") == stanza["from"].bare:
            found["origin"] = id_.get("id", "")
    occupant = xml.find("{urn:xmpp:occupant-id:0}occupant-id")
    if occupant is not None:
        found["occupant"] = occupant.get("id", "")
    subject = xml.find("{jabber:client}subject")
    if subject is not None:
        found["subject"] = subject.text or ""
    return found


@dataclass
class Guest(Person):
    """A device at any server that goes into rooms; `sm` has it resume its stream (XEP-0198)."""

    sm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for plugin in (*ROOM_PLUGINS, *(("xep_0198",) if self.sm else ())):
            self.client.register_plugin(plugin)
        # The event of that name leaves out what the plugin for rooms has seen.
        self.client.del_event_handler("presence", self._on_presence)
        self.client.register_handler(Callback("any presence", StanzaPath("presence"), self._on_presence))

    # ---- what comes in

    def _on_presence(self, stanza: Any) -> None:
        error, reason = self._error(stanza)
        type_, status = stanza._get_attr("type") or "available", stanza["status"]
        self.inbox.put(
            Seen(
                "presence",
                str(stanza["from"]),
                type_,
                status,
                stanza["show"],
                condition=error,
                reason=reason,
                **_of_the_room(stanza),
            )
        )

    def _on_message(self, stanza: Any) -> None:
        delay = stanza["delay"]["stamp"] if stanza.get_plugin("delay", check=True) is not None else None
        error = self._error(stanza)
        self.inbox.put(
            Seen(
                "message",
                str(stanza["from"]),
                stanza["type"],
                stanza["body"],
                "",
                delay,
                *error,
                **_of_the_room(stanza),
            )
        )

    async def expect(self, **wanted: object) -> Seen:
        """Take the first event with these attributes, of `codes` at least these, out of the inbox, waiting for it."""
        event = await super().expect(**wanted)
        assert isinstance(event, Seen), event
        return event

    # ---- what an occupant does

    @property
    def muc(self) -> Any:
        """slixmpp's XEP-0045."""
        return self.client.plugin["xep_0045"]

    async def enter(self, room: str, nick: str, **more: Any) -> tuple[Any, Any, list[Any], list[Any]]:
        """Enter as slixmpp does; returns one's own presence, subject, occupants and history. Raises Refused.

        slixmpp waits for all of this in the order of section 7.2, and for the subject at the end.
        """
        joining = asyncio.ensure_future(self.muc.join_muc_wait(JID(room), nick, timeout=PATIENCE, **more))
        # slixmpp takes an error for one only if what it has sent is in it, which Prosody leaves out.
        refusal = asyncio.ensure_future(self.inbox.expect(kind="presence", type="error", bare=room))
        try:
            await asyncio.wait((joining, refusal), return_when=asyncio.FIRST_COMPLETED)
            if not joining.done():
                refused = await refusal
                raise Refused(refused.condition, refused.reason)
            found = joining.result()
        except PresenceError as error:
            raise Refused(error.condition, error.text) from None
        except (TimeoutError, AssertionError):
            raise AssertionError(f"{self.full} did not get into {room}; there is {self.inbox.events}") from None
        finally:
            joining.cancel()
            refusal.cancel()
        await self.expect(kind="presence", type="available", from_=str(found[0]["from"]))
        self.forget(room, subject=str(found[1]["subject"]))
        return found

    def forget(self, room: str, **wanted: object) -> None:
        """Forget the messages of a room that there are already, or some of them."""
        for event in self.inbox.find(kind="message", type="groupchat", bare=room, **wanted):
            self.inbox.events.remove(event)

    async def create(self, room: str, nick: str, **options: Any) -> Any:
        """Make a reserved room (10.1.3) with these options (muc#roomconfig_...); returns one's own presence."""
        stanza = self.muc.make_join_stanza(JID(room), nick)
        self.muc.rooms[None][JID(room)], self.muc.our_nicks[None][JID(room)] = {}, nick
        stanza.send()
        own = await self.expect(kind="presence", from_=f"{room}/{nick}")
        if own.type == "error":
            raise Refused(own.condition, own.reason)
        await self.configure(room, **options)
        await self.sees_all_said(room)
        return own

    async def sees_all_said(self, room: str) -> None:
        """Wait until what the room has sent before has come, and forget its messages."""
        await self.self_ping(room)
        self.forget(room)

    async def configure(self, room: str, **options: Any) -> Any:
        """Fill in the form for the configuration, as far as it has these fields, and return it; raises Refused."""
        form = await answered(self.muc.get_room_config(JID(room), timeout=PATIENCE))
        form.reply()
        for name, value in options.items():
            field = form.get_fields().get(f"muc#roomconfig_{name}")
            if field is not None:
                field["value"] = value
        await answered(self.muc.set_room_config(JID(room), form, timeout=PATIENCE))
        return form

    async def self_ping(self, room: str) -> None:
        """XEP-0410: raises Refused if one isn't in the room any more."""
        nick = self.muc.our_nicks[None][JID(room)]
        await self.ping(f"{room}/{nick}")

    async def is_in(self, room: str) -> bool:
        """Ask for it as XEP-0410 section 3.2 has it; raises Refused if the answer says neither yes nor no."""
        try:
            await self.self_ping(room)
        except Refused as refused:
            if refused.condition in ("service-unavailable", "feature-not-implemented", "item-not-found"):
                return True
            if refused.condition == "not-acceptable":
                return False
            raise
        return True

    def nickname(self, room: str, nick: str) -> None:
        """Ask for another nickname (7.6)."""
        self.presence(to=f"{room}/{nick}")

    def whisper(self, occupant: str, body: str) -> None:
        """Send a private message (7.5), with the element that says so."""
        message = self.client.make_message(mto=occupant, mbody=body, mtype="chat")
        message.append(Element(f"{USER}x"))
        message.send()

    async def leaves(self, room: str) -> Seen:
        """Leave, and return the presence that says so (7.14)."""
        nick = self.muc.our_nicks[None][JID(room)]
        self.presence("unavailable", f"{room}/{nick}")
        seen = await self.expect(kind="presence", type="unavailable", from_=f"{room}/{nick}")
        self.muc.rooms[None].pop(JID(room), None)
        return seen

    async def archive(self, room: str, after: str = "") -> list[tuple[str, str, str]]:
        """Return the messages in the archive of the room (XEP-0313), as id, nick and text; raises Refused.

        Page by page (XEP-0059), beginning behind the message with the id `after` if there is one.
        """
        found: list[tuple[str, str, str]] = []
        mam, complete = self.client.plugin["xep_0313"], False
        while not complete:
            rsm = {"max": "20", **({"after": after} if after else {})}
            page = await answered(mam.retrieve(jid=JID(room), rsm=rsm, timeout=PATIENCE))
            for message in page["mam"]["results"]:
                result, said = message["mam_result"], message["mam_result"]["forwarded"]["stanza"]
                found.append((result["id"], said["from"].resource, said["body"]))
            after = page["mam_fin"]["rsm"]["last"]
            complete = page["mam_fin"]["complete"] in (True, "true")
        return found

    async def reconnects(self) -> None:
        """Lose the connection and resume the stream (XEP-0198), waiting for both."""
        resumed = self.client.wait_until("session_resumed", PATIENCE)
        waiting = asyncio.ensure_future(resumed)
        with contextlib.suppress(AttributeError):  # it may be lost already
            self.client.abort()
        self.client.connect(self.server.address, self.port)
        await waiting


def stamp(message: Any) -> datetime.datetime | None:
    """Return when a message of the history was sent."""
    delay = message.get_plugin("delay", check=True)
    return None if delay is None else delay["stamp"]
