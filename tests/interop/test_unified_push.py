"""UnifiedPush with software of others: slixmpp is the phone, and Node's web-push the server of an app.

It needs Node.js, and ``npm ci`` in the folder ``webpush``, which ``tests/interop/run`` does where there is npm.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import unittest
from base64 import b64decode
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from tests.interop import scenario
from tests.interop.device import PATIENCE
from tests.interop.server import DOMAIN, Xmppd
from tests.interop.slix import SlixmppDevice
from xmppd.plugins.push_service.roads.encryption import MOST, base64url, encrypt, subscription
from xmppd.testing.vendors import Subscriber, WebPushService
from xmppd.testing.vendors.webpush import decrypt

FOLDER = Path(__file__).resolve().parent / "webpush"
NS = "http://gultsch.de/xmpp/drafts/unified-push"
APP = {"application": "application", "instance": "instance"}
WORDS = "Grüße aus Mantua"


async def node(certificate: Path | None = None, **asked: Any) -> Any:
    """Have Node do something."""
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(certificate)} if certificate else None
    process = await asyncio.create_subprocess_exec(
        "node", str(FOLDER / "push.js"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment
    )
    said, _ = await asyncio.wait_for(process.communicate(json.dumps(asked).encode()), PATIENCE)
    return json.loads(said)


def subscriber() -> Subscriber:
    """Return an app's keys."""
    return WebPushService(lambda: 0.0).subscribe()


@unittest.skipUnless(shutil.which("node") and (FOLDER / "node_modules").is_dir(), "needs Node.js and web-push")
class Encryption(unittest.IsolatedAsyncioTestCase):
    """What our push service sends is what Node's http_ece decrypts."""

    async def test_decrypted_by_others(self) -> None:
        app = subscriber()
        key: EllipticCurvePrivateKey = app.key
        secret = base64url(key.private_numbers().private_value.to_bytes(32, "big"))
        for words in (WORDS, "x" * MOST):
            sealed = encrypt(words.encode(), subscription(app.target))
            found = await node(sealed=base64url(sealed), secret=secret, auth=app.target["auth"])
            self.assertEqual(found, {"plain": words})


class Provider(Xmppd):
    """Ours, as a push provider."""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.of_host = f'http_url = "https://{DOMAIN}:{self.https_port}"\nplugins = ["unified_push"]'
        super().configure(extra, plain_without_tls)


@unittest.skipUnless(shutil.which("node") and (FOLDER / "node_modules").is_dir(), "needs Node.js and web-push")
class Pushes(scenario.LiveCase):
    """An app on a phone, and its server."""

    @classmethod
    def server_class(cls) -> type[Xmppd]:
        return Provider

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.app = subscriber()
        self.name = await self.account("romeo")
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.gone = False

    async def phone(self) -> SlixmppDevice:
        device = SlixmppDevice(self.server, self.name, "phone", scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        device.client.add_filter("in", self.take)
        await device.connect()
        device.presence()
        await device.fence()
        return device

    def take(self, stanza: Any) -> Any:
        push = stanza.xml.find(f"{{{NS}}}push")
        if push is None:
            return stanza
        self.assertEqual(dict(push.attrib), APP)
        if self.gone:
            reply = stanza.reply()
            reply["type"] = "error"
            reply["error"]["condition"] = "item-not-found"
            reply.send()
        else:
            self.got.put_nowait(b64decode(push.text))
            stanza.reply().send()
        return None

    async def register(self, device: SlixmppDevice) -> str:
        request = device.client.make_iq_set(ito=DOMAIN)
        request.append(ET.Element(f"{{{NS}}}register", APP))
        answer = await asyncio.wait_for(request.send(), PATIENCE)
        return str(answer.xml.find(f"{{{NS}}}registered").get("endpoint"))

    async def push(self, endpoint: str, words: str = WORDS, ttl: int = 60) -> int:
        target = self.app.target
        wanted = {"endpoint": endpoint, "keys": {"p256dh": target["p256dh"], "auth": target["auth"]}}
        answer = await node(self.server.certificate, subscription=wanted, payload=words, ttl=ttl)
        return int(answer["status"])

    async def opened(self) -> str:
        sealed = await asyncio.wait_for(self.got.get(), PATIENCE)
        return decrypt(sealed, self.app.key, self.app.auth).decode()

    async def test_pushed_and_waiting(self) -> None:
        phone = await self.phone()
        endpoint = await self.register(phone)
        self.assertEqual(await self.push(endpoint), 201)
        self.assertEqual(await self.opened(), WORDS)
        await phone.disconnect()
        self.assertEqual(await self.push(endpoint, "later"), 202)
        self.assertEqual(await self.push(endpoint, "never", ttl=0), 201)
        phone = await self.phone()
        self.assertEqual(await self.opened(), "later")
        self.gone = True
        self.assertEqual(await self.push(endpoint), 410)
        self.assertEqual(await self.push(endpoint), 410)
        self.assertTrue(self.got.empty())
        self.assertEqual(await self.push(endpoint[:-1] + ("a" if endpoint[-1] != "a" else "b")), 404)
