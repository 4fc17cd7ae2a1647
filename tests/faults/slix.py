"""A device made of slixmpp with its plugin for XEP-0198: what a program on a good library gets.

The plugin keeps the counters, the queue and resumes. Left to the program, and done here: to connect again, to notice
dead connections, to send what was not acknowledged in a new session, carbons, the archive.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import xml.etree.ElementTree as ET
from typing import Any

import slixmpp.xmlstream
from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from tests.faults import reading
from tests.faults.device import Device, Offer, Recorder, Refused
from tests.faults.history import Key, Trait, What
from tests.faults.servers import HOUR, PASSWORD


class _Client(ClientXMPP):
    """Notes when something was heard, and has one connection at a time.

    An attempt that is cancelled when it has just succeeded leaves a connection behind, which the library takes for its
    own: it would have two, with a session each, and lose the wrong one. And a negotiation that a lost connection has
    ended goes on waiting: the answer to the next one would wake both, and both would bind.
    """

    heard = 0.0
    strays = 0

    def connection_made(self, transport: Any, send_event: bool = True) -> None:
        if self.transport is not None or not self.is_connecting():
            self.strays += 1
            transport.abort()
        else:
            for waiting in ("resumed_or_failed", "enabled_or_failed"):
                while self.remove_handler(waiting):
                    pass
            super().connection_made(transport, send_event)

    def connection_lost(self, exception: BaseException | None) -> None:
        if self.strays:
            self.strays -= 1
        else:
            super().connection_lost(exception)

    def data_received(self, data: bytes | str) -> None:
        self.heard = self.loop.time()
        super().data_received(data)


class SlixmppDevice(Device):
    """A slixmpp client on the loop that runs."""

    def __init__(self, name: str, port: int, trait: Trait, offer: Offer, recorder: Recorder) -> None:
        super().__init__(name, port, trait, offer, recorder)
        self._chance = random.Random(name)
        self._patience = self._chance.uniform(5.0, 8.0)
        self._loop = asyncio.get_running_loop()
        client: Any = _Client(f"{self.bare}/{self.resource}", PASSWORD, sasl_mech="PLAIN")
        # What waits for an answer to <resume/> after so many seconds takes the session for over, even if the connection
        # that it was sent on is long gone, and the session goes on on another one.
        slixmpp.xmlstream.RESPONSE_TIMEOUT = HOUR
        client.loop = self._loop
        client.register_plugin("xep_0198", {"window": 5})
        client.register_plugin("xep_0199")
        client["feature_mechanisms"].unencrypted_plain = True
        client.enable_direct_tls = client.enable_starttls = False
        client.enable_plaintext = True
        client.register_handler(Callback("any message", StanzaPath("message"), self._on_message))
        for event in ("session_bind", "sm_enabled", "session_resumed", "sm_failed", "stanza_acked", "disconnected"):
            client.add_event_handler(event, getattr(self, f"_on_{event}"))
        self._client = client
        self._sm = client["xep_0198"]
        self._on = False
        self._leaving = False
        #: When the connection broke: the last ack, what waited for one, and when the server was heard.
        self._counted = 0
        self._queued: list[Key | None] = []
        self._away_since, self._seconds = 0.0, float("inf")
        self._unacked: dict[Key, str] = {}
        #: What waits for a session; those that were sent in an earlier one already are in `_again`.
        self._backlog: list[Key] = []
        self._again: set[Key] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None

    # ---- the life of a device

    @property
    def connected(self) -> bool:
        return self._on and self.ready

    @property
    def waiting(self) -> int:
        return len(self._unacked)

    def come(self) -> None:
        self.wanted, self._leaving = True, False
        if self._runner is None:
            self._runner = asyncio.create_task(self.run())

    async def run(self) -> None:
        began = requested = 0.0
        while True:
            await asyncio.sleep(self._chance.uniform(0.2, 0.5))
            now = self._loop.time()
            if not self.wanted:
                continue
            if not self._client.is_connected():
                if not self._client.is_connecting() or now - began > self._patience:
                    began = self._client.heard = now
                    self._client.connect("127.0.0.1", self.port)
            elif now - max(self._client.heard, requested - 1, began) > self._patience:
                self._abort()
            elif self._on and (self._unacked or now - self._client.heard > 2) and now - self._client.heard > 0.3:
                self._sm.request_ack()

    def _abort(self) -> None:
        self._client.cancel_connection_attempt()
        if self._client.transport is not None:
            self._client.transport.abort()

    def vanish(self) -> None:
        self.wanted = False
        self._abort()

    async def leave(self) -> None:
        end = self._loop.time() + 3
        while self._unacked and self._loop.time() < end:
            await asyncio.sleep(0.1)
        self.wanted = False
        if self._unacked or not self.connected or self._client.transport is None:
            self.vanish()
            return
        self._sm.send_ack()
        self._leaving, handled = True, self._sm.handled
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._client.disconnect(wait=self._patience / 2)
        self._abort()
        # What came behind our last <a/> was not handled.
        self._sm.handled = handled
        self.record(What.CLOSED, self.name, None, self.session)

    async def forget(self) -> None:
        if self._unacked:
            return
        self.vanish()
        self.record(What.FORGOT, self.name, None, self.session)
        self.ready = False
        await asyncio.sleep(0.1)
        self._client.event("session_end")

    def sleep(self, asleep: bool) -> None:
        """The library has a plugin for it; that it says nothing is as good."""

    def typing(self, to: str) -> None:
        if self.connected:
            self._client.send(self._client.make_message(mto=to, mtype="chat"))

    async def stop(self) -> None:
        self.wanted = False
        for task in (self._runner, self._syncing, self._client._run_out_filters, *self._tasks):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._abort()

    # ---- what the library tells

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_disconnected(self, reason: object) -> None:
        if self._on:
            self.record(What.BROKEN, self.name, None, self.session, str(reason))
            self._counted = self._sm.last_ack
            self._queued = [Key.parse(stanza["id"]) for _, stanza in self._sm.unacked_queue]
            self._away_since = self._client.heard
        self._on = False

    def _on_session_bind(self, _jid: object) -> None:
        self.begin()

    def _on_sm_enabled(self, stanza: Any) -> None:
        self._seconds = float(stanza.xml.get("max", "inf"))
        self._on = True
        self._spawn(self._set_up())

    def _on_session_resumed(self, stanza: Any) -> None:
        self._on = True
        queued = {Key.parse(queued["id"]) for _, queued in self._sm.unacked_queue}
        self.record(What.RESUMED, self.name, None, self.session, f"h {stanza['h']}, {len(queued)} sent again")
        # What the library had taken, and not yet counted when the connection broke, it has dropped.
        self._backlog = [key for key in self._unacked if key not in queued or key in self._backlog]
        self._flush()
        if not self.ready:
            self._spawn(self._set_up())

    def _on_sm_failed(self, stanza: Any) -> None:
        if self._sm.sm_id and "bind" not in self._client.features:
            away, h = self._loop.time() - self._away_since, stanza.xml.get("h")
            what = What.EXPIRED if self._left() or away > self._seconds else What.REFUSED
            conditions = [child.tag.rpartition("}")[2] for child in stanza.xml]
            text = f"{conditions} h {h}, {away:.1f} s away, max {self._seconds}"
            self.record(what, self.name, None, self.session, text)
            if h is not None:
                # The library has no use for it.
                for key in self._queued[: max(0, int(h) - self._counted)]:
                    self._acked(key)
        self.ready = False
        self._again.update(key for key in self._unacked if key not in self._backlog)
        self._backlog = list(self._unacked)

    def _left(self) -> bool:
        """Say whether this session was ended by us."""
        for event in reversed(self.record.history.events):
            if event.device == self.name and event.what in (What.CLOSED, What.RESUMED, What.BEGAN):
                return event.what is What.CLOSED
        return False

    def _on_stanza_acked(self, stanza: Any) -> None:
        self._acked(Key.parse(stanza["id"]))

    def _acked(self, key: Key | None) -> None:
        if key is not None and self._unacked.pop(key, None) is not None:
            self.record(What.ACKED, self.name, key, self.session)
            self._again.discard(key)

    def _on_message(self, stanza: Any) -> None:
        if not self._leaving:
            self.got(stanza.xml)

    # ---- what is done

    async def _set_up(self) -> None:
        with contextlib.suppress(Refused, ConnectionError):
            if self.offer.carbons:
                await self.ask("set", f"<enable xmlns='{reading.CARBONS}'/>")
            self._client.send_presence()
            with contextlib.suppress(Refused):
                await self.ask("get", "<ping xmlns='urn:xmpp:ping'/>")
            self.record(What.READY, self.name, None, self.session)
            self.ready = True
            self._flush()
            self.catch_up()

    def _flush(self) -> None:
        if not self._on:
            return
        backlog, self._backlog = self._backlog, []
        for key in backlog:
            if key in self._again:
                self.record(What.AGAIN, self.name, key, self.session)
            self._send(key)

    def _send(self, key: Key) -> None:
        message = self._client.make_message(mto=self._unacked[key], mbody=key.text, mtype="chat")
        message["id"] = key.text
        self._client.send(message)

    def submit(self, key: Key, to: str) -> None:
        self._unacked[key] = to
        if self.connected and not self._backlog:
            self._send(key)
        else:
            self._backlog.append(key)

    async def ask(self, type_: str, payload: str, to: str = "") -> ET.Element:
        if not self._on:
            raise ConnectionError("not connected")
        iq = self._client.make_iq(ito=to or None, itype=type_)
        iq.append(ET.fromstring(payload))
        try:
            answer = await iq.send(timeout=10)
        except IqError as error:
            raise Refused(error.condition) from None
        except IqTimeout:
            raise ConnectionError("no answer") from None
        element: ET.Element = answer.xml
        return element
