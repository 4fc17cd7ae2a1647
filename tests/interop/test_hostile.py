"""Hostile clients against a live process: it answers with the right stream error, stays small, serves the others."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

from tests.interop import scenario
from tests.interop.raw import HEADER, STARTTLS, RawClient
from tests.interop.scenario import PASSWORD
from tests.interop.server import DOMAIN

MEBIBYTE = 1024  # of what resident_kib() returns
BODY = "x" * 1000


class HostileClients(scenario.LiveCase):
    """The server has tight limits and no exemption for loopback."""

    plain_without_tls = True
    extra = """
[limits]
negotiation_seconds = 4.0
connections_per_address = 150
exempt_networks = []
octets_per_second = 100000000
octets_burst = 100000000
stanzas_per_second = 100000.0
stanzas_burst = 100000
output_queue_octets = 262144
"""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        if self.server.name != "xmppd":
            self.skipTest("the limits are those of xmppd")

    @contextlib.asynccontextmanager
    async def unharmed(self, mebibytes: int = 24) -> AsyncIterator[None]:
        """Check that the process kept its size and its file descriptors, and serves, after what happens inside."""
        witness = await self.account("witness")
        async with self.visitor(witness):
            pass
        files, size = self.server.open_files(), self.server.resident_kib()
        yield
        for _ in range(100):  # closing takes a round trip
            if self.server.open_files() <= files + 2:
                break
            await asyncio.sleep(0.1)
        async with self.visitor(witness):
            pass
        self.assertLessEqual(self.server.open_files(), files + 2)
        self.assertLess(self.server.resident_kib() - size, mebibytes * MEBIBYTE)

    @contextlib.asynccontextmanager
    async def visitor(self, account: str, resource: str = "visit") -> AsyncIterator[RawClient]:
        """A client that logs in, is served, and leaves in good order."""
        client = await RawClient.open(self.server.c2s_port)
        await client.login(account, PASSWORD, resource, self.server.certificate)
        await client.ping()
        try:
            yield client
        finally:
            await client.send("</stream:stream>")
            await client.to_end()

    async def opened(self, number: int) -> list[RawClient]:
        """Return so many open connections."""
        clients = [await RawClient.open(self.server.c2s_port) for _ in range(number)]
        for client in clients:
            self.addCleanup(client.close)
        return clients

    # ---- connections that never become sessions

    async def test_half_open_streams(self) -> None:
        """Silence in any stage of the negotiation ends in `connection-timeout`, RFC 6120 section 4.9.3.4."""
        async with self.unharmed():
            silent = await self.opened(40)
            half, waiting = await self.opened(30), await self.opened(30)
            for client in half:
                await client.send(HEADER[:70])
            for client in waiting:
                await client.header()
            for client in silent + half + waiting:
                self.assertIn(b"<connection-timeout", await client.to_end())

    async def test_slow_loris(self) -> None:
        """A byte now and then doesn't buy more time than silence does."""

        async def drip(client: RawClient) -> bytes:
            end = asyncio.ensure_future(client.to_end())
            for byte in HEADER.encode():
                await asyncio.wait({end}, timeout=0.1)
                if end.done():
                    break
                client.writer.write(bytes([byte]))
            return await end

        async with self.unharmed():
            answers = await asyncio.gather(*(drip(client) for client in await self.opened(30)))
            for answer in answers:
                self.assertIn(b"<connection-timeout", answer)

    async def test_too_many_connections(self) -> None:
        """One more than `connections_per_address` is turned away; those that are there stay."""
        async with self.unharmed():
            clients = await self.opened(150)
            await clients[0].header()
            one_too_many = await RawClient.open(self.server.c2s_port)
            answer = await one_too_many.to_end()
            self.assertTrue(not answer or b"policy-violation" in answer or b"resource-constraint" in answer, answer)
            await clients[-1].header()
            for client in clients:
                client.close()

    async def test_header_floods(self) -> None:
        """An endless opening tag or endless white space is cut off early."""
        floods = (
            (HEADER[:-1] + " a='" + "a" * 2_000_000, b"policy-violation"),
            (HEADER[:-1] + "".join(f" a{number}='b'" for number in range(100_000)), b"policy-violation"),
            (" " * 2_000_000, b"policy-violation"),
            (HEADER + "<" + "a" * 2_000_000, b"policy-violation"),
            # White space between stanzas is a keep-alive and costs nothing, but doesn't buy time either.
            (HEADER + " " * 2_000_000, b"connection-timeout"),
        )
        async with self.unharmed():
            for flood, condition in floods:
                client = await RawClient.open(self.server.c2s_port)
                with contextlib.suppress(ConnectionError):
                    await client.send(flood)
                answer = await client.to_end()
                # A reset may overtake the error; then the end of the connection is all there is to see.
                self.assertTrue(not answer or condition in answer, (flood[:200], answer))

    async def test_forbidden_xml(self) -> None:
        """RFC 6120 section 11 and 4.9.3: each offence has its error, before anybody has logged in."""
        offences: tuple[tuple[str | bytes, bytes], ...] = (
            ("<!DOCTYPE a [<!ENTITY b 'c'>]>" + HEADER, b"restricted-xml"),
            (HEADER + "<!-- comment -->", b"restricted-xml"),
            (HEADER + "<?php ?>", b"restricted-xml"),
            (HEADER + "<message>&lol;</message>", b"restricted-xml"),
            (HEADER + "<a></b>", b"not-well-formed"),
            (HEADER.encode() + b"<message><body>\xff\xfe</body></message>", b"not-well-formed"),
            ("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n", b"not-well-formed"),
            (HEADER.replace("jabber:client", "jabber:nothing"), b"invalid-namespace"),
            (HEADER.replace("etherx", "aether"), b"invalid-namespace"),
            (HEADER.replace(DOMAIN, "elsewhere.test"), b"host-unknown"),
            (HEADER.replace("version='1.0'>", "version='9.9'>") + "<nothing xmlns='a:b'/>", b"stream:error"),
            (HEADER + "<message to='a@b'><body/></message>", b"not-authorized"),
        )
        async with self.unharmed():
            for sent, condition in offences:
                client = await RawClient.open(self.server.c2s_port)
                await client.send(sent)
                answer = await client.to_end()
                self.assertIn(condition, answer, sent[:200])
                self.assertIn(b"<stream:stream", answer, sent[:200])  # RFC 6120 section 4.9.1.2

    async def test_wrong_protocol(self) -> None:
        """Plain XML to the direct TLS port, a TLS handshake to the other one: both just end."""
        async with self.unharmed():
            for _ in range(20):
                plain = await RawClient.open(self.server.tls_port)
                await plain.send(HEADER)
                self.assertNotIn(b"<stream", await plain.to_end())
                secure = await RawClient.open(self.server.c2s_port)
                await secure.send(bytes.fromhex("16030100050100000100"))
                await secure.to_end()

    async def test_no_injection_before_tls(self) -> None:
        """What was pipelined behind `<starttls/>` in the clear is not believed after the handshake."""
        account = await self.account("romeo")
        async with self.unharmed():
            client = await RawClient.open(self.server.c2s_port)
            await client.header()
            await client.send(STARTTLS + HEADER)
            try:
                await client.until("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
                client.unread = b""
                await client.start_tls(self.server.certificate)
                answer = await client.header()
                self.assertEqual(answer.count(b"<stream:features"), 1)
                self.assertEqual(answer.count(b"<stream:stream"), 1)
                await client.send("</stream:stream>")
                self.assertNotIn(b"<stream:stream", await client.to_end())
            except (ConnectionError, OSError):
                client.close()  # refusing such a client is as good
        async with self.visitor(account):
            pass

    # ---- sessions

    async def test_too_large_a_stanza(self) -> None:
        """`policy-violation` above `stanza_octets`, RFC 6120 section 4.9.3.14; nothing below it."""
        account = await self.account("romeo")
        async with self.unharmed():
            async with self.visitor(account, "small") as client:
                await client.send(f"<message to='{account}@{DOMAIN}'><body>{'x' * 200_000}</body></message>")
                await client.ping()
            client = await RawClient.open(self.server.c2s_port)
            await client.login(account, PASSWORD, "large", self.server.certificate)
            with contextlib.suppress(ConnectionError):
                await client.send(f"<message to='{account}@{DOMAIN}'><body>{'x' * 3_000_000}</body></message>")
            answer = await client.to_end()
            self.assertTrue(not answer or b"policy-violation" in answer, answer[-300:])

    async def _flood_one_who_does_not_read(self, tls: bool) -> None:
        romeo, juliet = await self.account("romeo"), await self.account("juliet")
        async with self.unharmed(), self.visitor(romeo, "orchard") as sender:
            slow = await RawClient.open(self.server.c2s_port, receive_buffer=4096)
            await slow.login(juliet, PASSWORD, "balcony", self.server.certificate if tls else None)
            await slow.send("<presence/>")
            await slow.ping()
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
            flood = f"<message to='{juliet}@{DOMAIN}/balcony' type='headline'><body>{BODY}</body></message>"
            for _ in range(200):  # 20 MB
                await sender.send(flood * 100)
                await sender.ping()
            slow.close()
            gc.collect()

    async def test_slow_reader(self) -> None:
        """Messages for one who doesn't read neither fill the memory nor stop the sender."""
        await self._flood_one_who_does_not_read(tls=False)

    async def test_slow_reader_with_tls(self) -> None:
        """The same through TLS, which has buffers of its own."""
        await self._flood_one_who_does_not_read(tls=True)

    async def test_one_who_never_reads_answers(self) -> None:
        """Asking without reading stops the asker, or ends the stream, and costs bounded memory."""
        romeo = await self.account("romeo")
        async with self.unharmed():
            client = await RawClient.open(self.server.c2s_port, receive_buffer=4096)
            await client.login(romeo, PASSWORD, "orchard", self.server.certificate)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            asked = f"<iq type='get' id='{'i' * 500}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"

            async def ask() -> None:
                for _ in range(500):
                    client.writer.write((asked * 100).encode())
                    await client.writer.drain()

            with contextlib.suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(ask(), 6)
            client.cut()

    async def test_cut_connections(self) -> None:
        """Resets in every stage leave nothing behind, and contacts see who was cut off leave."""
        romeo = await self.account("romeo")
        stages = ("", HEADER[:50], HEADER, HEADER + STARTTLS, HEADER + "<auth xmlns='urn:ietf")
        async with self.unharmed(), self.visitor(romeo, "orchard") as watcher:
            await watcher.send("<presence/>")
            await watcher.ping()
            for number in range(50):
                client = await RawClient.open(self.server.c2s_port)
                await client.send(stages[number % len(stages)])
                if number % 2:
                    await asyncio.sleep(0.01)
                client.cut()
            for number in range(10):
                client = await RawClient.open(self.server.c2s_port)
                await client.login(romeo, PASSWORD, f"r{number}", self.server.certificate)
                await client.send("<presence/><message to='")
                await watcher.until(f"{romeo}@{DOMAIN}/r{number}")
                client.cut()
                await watcher.until("unavailable")
