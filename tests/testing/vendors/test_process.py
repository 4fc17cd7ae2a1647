"""The stand-ins as a process of their own: what the roads send them over TLS, by HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

from OpenSSL import crypto
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.trial.unittest import TestCase

from xmppd.api.network import Reach
from xmppd.net.network import Network
from xmppd.plugins.push_service.roads.apns import ApnsRoad
from xmppd.plugins.push_service.roads.contract import Parcel
from xmppd.plugins.push_service.roads.fcm import FcmRoad
from xmppd.plugins.push_service.roads.vapid import VapidKey, new_key
from xmppd.plugins.push_service.roads.webpush import WebPushRoad

ID = "00112233445566778899aabbccddeeff"


class Running(ProcessProtocol):
    """The process."""

    def __init__(self) -> None:
        self.said = b""
        self.ready: Deferred[str] = Deferred()
        self.over: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.said += data
        if b"\n" in self.said and not self.ready.called:
            self.ready.callback(self.said.decode().strip())

    def errReceived(self, data: bytes) -> None:
        sys.stderr.write(data.decode())

    def processEnded(self, reason: Any) -> None:
        if not self.ready.called:
            self.ready.errback(reason)
        self.over.callback(None)


def run(method: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], Deferred[None]]:
    def wrapped(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(method(self))

    wrapped.__name__ = method.__name__
    return wrapped


class Process(TestCase):
    timeout = 60

    @run
    async def setUp(self) -> None:  # type: ignore[override]
        self.running = Running()
        ca = Path(self.mktemp()).absolute()
        arguments = [sys.executable, "-m", "xmppd.testing.vendors", "--ca", str(ca)]
        root = str(Path(__file__).resolve().parents[3])
        launch = cast(Any, reactor).spawnProcess
        self.process: Any = launch(self.running, sys.executable, arguments, env=None, path=root)
        self.origin = await self.running.ready
        authority = Certificate(crypto.load_certificate(crypto.FILETYPE_PEM, ca.read_bytes()))
        self.network = Network(reactor, trustRootFromCertificates([authority]))
        self.found = await self.control("GET", "")

    @run
    async def tearDown(self) -> None:  # type: ignore[override]
        await self.network.close()
        self.process.signalProcess("TERM")
        await self.running.over

    async def control(self, method: str, what: str, **wanted: Any) -> Any:
        body = json.dumps(wanted).encode() if wanted else b""
        answer = await self.network.fetch(method, f"{self.origin}/control{what}", body=body)
        self.assertEqual(answer.status, 200, answer.body)
        return json.loads(answer.body)

    def roads(self, key: VapidKey) -> tuple[WebPushRoad, FcmRoad, ApnsRoad]:
        clock: Any = reactor
        apns = self.found["apns"]
        return (
            WebPushRoad(self.network, clock, key, Reach.of(["127.0.0.0/8"])),
            FcmRoad(self.network, clock, self.found["service_account"], url=self.origin),
            ApnsRoad(self.network, clock, **apns, url=self.origin),
        )

    @run
    async def test_all_roads(self) -> None:
        key = VapidKey(new_key(), "mailto:admin@example.org")
        webpush, fcm, apns = self.roads(key)
        payload = {"title": "Grüße", "body": "hello"}
        for road, target in (
            (webpush, await self.control("POST", "/webpush", key=key.public)),
            (fcm, await self.control("POST", "/fcm")),
            (apns, await self.control("POST", "/apns")),
        ):
            found = await road.send(Parcel(ID, target, payload, urgency="high"))
            self.assertEqual(found.kind, "accepted", found.text)
            error = {"webpush": "503", "fcm": "UNAVAILABLE", "apns": "ServiceUnavailable"}[road.name]
            await self.control("POST", "/fail", **{"vendor": road.name, "error": error, "retry-after": "5"})
            found = await road.send(Parcel(ID, target, payload))
            self.assertEqual((found.kind, found.retry_after), ("temporary", 5.0))
        state = await self.control("GET", "")
        self.assertEqual(state["mistakes"], [])
        (sealed,), (message,), (notification,) = (state["pushed"][name] for name in ("webpush", "fcm", "apns"))
        self.assertEqual(json.loads(sealed["content"]), payload)
        self.assertEqual(message["content"]["notification"], payload)
        self.assertEqual(notification["content"]["aps"]["alert"], payload)

    @run
    async def test_what_there_is_not(self) -> None:
        answer = await self.network.fetch("POST", f"{self.origin}/control/huawei")
        self.assertEqual(answer.status, 404)
        answer = await self.network.fetch("POST", f"{self.origin}/push/nobody")
        self.assertEqual(answer.status, 404)
