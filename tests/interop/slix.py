"""A device made of slixmpp."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError
from slixmpp.xmlstream import ElementBase
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from tests.interop.device import PATIENCE, Device, Event, Info, LoginFailed, Refused, RosterEntry

T = TypeVar("T")
PLUGINS = [
    "xep_0012",
    "xep_0030",
    "xep_0049",
    "xep_0054",
    "xep_0077",
    "xep_0092",
    "xep_0191",
    "xep_0199",
    "xep_0202",
    "xep_0203",
]


class Exodus(ElementBase):
    """The element of the examples of XEP-0049."""

    name = "exodus"
    namespace = "exodus:prefs"
    plugin_attrib = "exodus"
    interfaces = {"defaultnick"}
    sub_interfaces = {"defaultnick"}


async def answered(request: Awaitable[T]) -> T:
    """Wait for an IQ's result; raises Refused for an error."""
    try:
        return await request
    except IqError as error:
        raise Refused(error.condition, error.text) from None


@dataclass
class SlixmppDevice(Device):
    """A slixmpp `ClientXMPP` that trusts the test certificate and decides nothing by itself."""

    library = "slixmpp"

    def __post_init__(self) -> None:
        client: Any = ClientXMPP(self.full, self.password)
        for plugin in PLUGINS:
            client.register_plugin(plugin)
        client.plugin["xep_0049"].register(Exodus)
        client.ssl_context = ssl.create_default_context(cafile=str(self.server.certificate))
        client.enable_direct_tls, client.enable_starttls = self.direct_tls, not self.direct_tls
        client.enable_plaintext = False
        client.roster.auto_authorize = None
        client.roster.auto_subscribe = False
        client.add_event_handler("presence", self._on_presence)
        client.add_event_handler("stream_error", self._on_stream_error)
        client.add_event_handler("disconnected", self._on_disconnected)
        for name, path, handler in (
            ("any message", "message", self._on_message),
            ("roster push", "iq@type=set/roster", self._on_push),
            ("block push", "iq@type=set/block", self._on_block),
            ("unblock push", "iq@type=set/unblock", self._on_unblock),
        ):
            client.register_handler(Callback(name, StanzaPath(path), handler))
        if self.register:
            client.add_event_handler("register", self._on_register)
        self.client = client
        self._stream_error = ""
        self._failure: asyncio.Future[None] | None = None

    # ---- what comes in

    def _on_presence(self, stanza: Any) -> None:
        error, reason = self._error(stanza)
        self.inbox.put(
            Event(
                "presence",
                str(stanza["from"]),
                stanza._get_attr("type") or "available",
                stanza["status"],
                stanza["show"],
                condition=error,
                reason=reason,
            )
        )

    @staticmethod
    def _error(stanza: Any) -> tuple[str, str]:
        if stanza._get_attr("type") != "error":
            return "", ""
        return stanza["error"]["condition"], stanza["error"]["text"]

    def _on_message(self, stanza: Any) -> None:
        delay = stanza["delay"]["stamp"] if stanza.get_plugin("delay", check=True) is not None else None
        error = self._error(stanza)
        self.inbox.put(Event("message", str(stanza["from"]), stanza["type"], stanza["body"], "", delay, *error))

    def _on_push(self, iq: Any) -> None:
        for jid, item in iq["roster"]["items"].items():
            self.inbox.put(Event("push", str(jid), item["subscription"], item["name"]))

    def _on_block(self, iq: Any) -> None:
        for item in iq["block"]["items"]:
            self.inbox.put(Event("block", str(item["jid"])))

    def _on_unblock(self, iq: Any) -> None:
        for item in iq["unblock"]["items"]:
            self.inbox.put(Event("unblock", str(item["jid"])))

    def _on_stream_error(self, error: Any) -> None:
        self._stream_error = error["condition"]

    def _on_disconnected(self, _reason: object) -> None:
        self.inbox.put(Event("closed", condition=self._stream_error))
        self._fail(f"disconnected {self._stream_error}")

    def _fail(self, reason: str) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(LoginFailed(reason))

    async def _on_register(self, _form: object) -> None:
        iq = self.client.make_iq_set()
        iq["register"]["username"] = self.account
        iq["register"]["password"] = self.password
        try:
            await answered(iq.send(timeout=PATIENCE))
        except Refused as error:
            self._fail(error.condition)

    # ---- what a device does

    async def connect(self) -> None:
        self._failure = asyncio.get_running_loop().create_future()
        ready = self.client.wait_until("session_start", PATIENCE)
        self.client.add_event_handler("failed_auth", lambda failure: self._fail(failure["condition"]))
        self.client.add_event_handler("connection_failed", lambda reason: self._fail(str(reason)))
        self.client.connect(self.server.address, self.port)
        started = asyncio.ensure_future(ready)
        done, _ = await asyncio.wait({started, self._failure}, return_when=asyncio.FIRST_COMPLETED)
        if self._failure in done:
            started.cancel()
            self.client.cancel_connection_attempt()
            await self.client.disconnect()
            self._failure.result()
        self._failure.cancel()
        await started

    async def disconnect(self) -> None:
        self.client.cancel_connection_attempt()
        if self.client.is_connected():
            await self.client.disconnect()

    async def _ask(self, iq: Any) -> Any:
        return await answered(iq.send(timeout=PATIENCE))

    async def roster(self) -> dict[str, RosterEntry]:
        iq = self.client.make_iq_get()
        iq.enable("roster")
        items = (await self._ask(iq))["roster"]["items"]
        return {
            str(jid): RosterEntry(
                item["name"], item["subscription"], frozenset(item["groups"]), item["ask"] == "subscribe"
            )
            for jid, item in items.items()
        }

    async def roster_set(self, jid: str, name: str, groups: tuple[str, ...] = ()) -> None:
        iq = self.client.make_iq_set()
        iq["roster"]["items"] = {jid: {"name": name, "groups": list(groups)}}
        await self._ask(iq)

    async def roster_remove(self, jid: str) -> None:
        await answered(self.client.del_roster_item(jid))

    def presence(self, type_: str = "", to: str = "", show: str = "", status: str = "", prio: int = 0) -> None:
        self.client.send_presence(
            pshow=show or None,
            pstatus=status or None,
            ppriority=prio or None,
            pto=to or None,
            ptype=type_ or None,
        )

    def message(self, to: str, body: str) -> None:
        self.client.send_message(to, body, mtype="chat")

    async def ping(self, jid: str) -> None:
        await answered(self.client.plugin["xep_0199"].send_ping(jid, timeout=PATIENCE))

    async def version(self, jid: str) -> tuple[str, str]:
        found = (await answered(self.client.plugin["xep_0092"].get_version(jid)))["software_version"]
        return found["name"], found["version"]

    async def last_activity(self, jid: str) -> int:
        found = await answered(self.client.plugin["xep_0012"].get_last_activity(jid, timeout=PATIENCE))
        return int(found["last_activity"]["seconds"])

    async def entity_time(self, jid: str) -> datetime.datetime:
        found = (await answered(self.client.plugin["xep_0202"].get_entity_time(jid)))["entity_time"]
        assert found._get_sub_text("tzo")
        # slixmpp's own reading of <utc/> wants fractions of a second, which XEP-0082 makes optional.
        return datetime.datetime.fromisoformat(found._get_sub_text("utc"))

    async def disco_info(self, jid: str) -> Info:
        found = (await answered(self.client.plugin["xep_0030"].get_info(jid, cached=False)))["disco_info"]
        identities = frozenset((identity[0], identity[1]) for identity in found["identities"])
        return Info(identities, frozenset(found["features"]))

    async def disco_items(self, jid: str) -> list[str]:
        found = (await answered(self.client.plugin["xep_0030"].get_items(jid)))["disco_items"]
        return [str(item[0]) for item in found["items"]]

    async def vcard_set(self, full_name: str) -> None:
        vcard = self.client.plugin["xep_0054"].make_vcard()
        vcard["FN"] = full_name
        await answered(self.client.plugin["xep_0054"].publish_vcard(vcard))

    async def vcard_get(self, jid: str | None = None) -> str:
        iq = self.client.make_iq_get(ito=jid)  # the plugin's method answers for oneself from its memory
        iq.enable("vcard_temp")
        return str((await self._ask(iq))["vcard_temp"]["FN"])

    async def private_set(self, nick: str) -> None:
        element = Exodus()
        element["defaultnick"] = nick
        await answered(self.client.plugin["xep_0049"].store(element))

    async def private_get(self) -> str:
        found = await answered(self.client.plugin["xep_0049"].retrieve("exodus"))
        return str(found["private"]["exodus"]["defaultnick"])

    async def block(self, jid: str) -> None:
        await answered(self.client.plugin["xep_0191"].block(jid))

    async def unblock(self, jid: str) -> None:
        await answered(self.client.plugin["xep_0191"].unblock(jid))

    async def blocked(self) -> set[str]:
        found = await answered(self.client.plugin["xep_0191"].get_blocked())
        return {str(item["jid"]) for item in found["blocklist"]["items"]}

    async def change_password(self, password: str) -> None:
        await answered(self.client.plugin["xep_0077"].change_password(password, self.domain))

    async def cancel_account(self) -> None:
        await answered(self.client.plugin["xep_0077"].cancel_registration(self.domain))
