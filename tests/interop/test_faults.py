"""The operator's bad nights: a server stopped, killed or reloaded under load, and its PostgreSQL restarted under it."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import unittest
from typing import Any

from tests.interop.postgres import Cluster, binaries
from tests.interop.raw import RawClient
from tests.interop.server import DOMAIN, Xmppd, write_certificate

PASSWORD = "wherefore"
PATIENCE = 60
LIMITS = f"""
[hosts."{DOMAIN}".offline]
max_messages = 1000000
max_octets = 1000000000
[limits]
stanzas_per_second = 100000.0
stanzas_burst = 100000
"""


def message(to: str, sender: int, number: int) -> str:
    return f"<message to='{to}@{DOMAIN}' type='chat' id='m-{sender}-{number}'><body>hello</body></message>"


def roster_set(number: int) -> str:
    item = f"<item jid='contact{number}@{DOMAIN}'/>"
    return f"<iq type='set' id='r-{number}'><query xmlns='jabber:iq:roster'>{item}</query></iq>"


class Case(unittest.IsolatedAsyncioTestCase):
    """A server of its own for each test, with the accounts u0 to u19."""

    users = 20
    extra = LIMITS
    #: Tells the load to end.
    enough = False

    async def asyncSetUp(self) -> None:
        self.server = Xmppd(self.extra, plain_without_tls=True)
        self.addCleanup(self.server.remove)
        users = self.server.folder / "users.csv"
        users.write_text("".join(f"u{n}@{DOMAIN} {PASSWORD}\n" for n in range(self.users)))
        await asyncio.to_thread(self.server.xmppctl, "user", "import", str(users))
        await asyncio.to_thread(self.server.start)

    async def client(self, number: int, resource: str = "x") -> RawClient:
        client = await RawClient.open(self.server.c2s_port)
        self.addCleanup(client.close)
        await client.login(f"u{number}", PASSWORD, resource)
        return client

    async def again(self) -> None:
        """Start the server again on its data."""
        await asyncio.to_thread(self.server.start)

    async def load(self, client: RawClient, number: int) -> None:
        """Write to somebody who is away and change the roster until it is enough; a ping tells what was handled."""
        for turn in range(100_000):
            if self.enough:
                return
            ping = f"<iq type='get' id='p-{turn}'><ping xmlns='urn:xmpp:ping'/></iq>"
            try:
                await client.send(message(f"u{self.users - 1}", number, turn) + roster_set(turn) + ping)
            except (ConnectionError, OSError):
                return
            await asyncio.sleep(0.002)

    async def under_load(self, end: int) -> list[bytes]:
        """Return what the clients received until `end` was sent to the server and their streams had ended."""
        clients = [await self.client(number) for number in range(self.users - 1)]
        loads = [asyncio.create_task(self.load(client, number)) for number, client in enumerate(clients)]
        readers = [asyncio.create_task(client.to_end()) for client in clients]
        await asyncio.sleep(1.5)
        assert self.server.process is not None
        self.server.process.send_signal(end)
        received = await asyncio.gather(*readers)
        await asyncio.to_thread(self.server.process.wait, PATIENCE)
        await asyncio.gather(*loads)
        return received

    def check_acknowledged(self, received: list[bytes]) -> int:
        """Everything acknowledged is in the database; return how much that is."""
        path = next((self.server.folder / "data").glob("*.sqlite"))
        database = sqlite3.connect(path)
        self.addCleanup(database.close)
        self.assertEqual(database.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        stored = {
            found
            for (row,) in database.execute("SELECT header FROM offline_messages")
            for found in re.findall(r"m-\d+-\d+", row)
        }
        contacts = set(database.execute("SELECT account, jid FROM roster_items"))
        total = 0
        for number, data in enumerate(received):
            pings = [int(n) for n in re.findall(rb"type='result' id='p-(\d+)'", data)]
            sets = [int(n) for n in re.findall(rb"type='result' id='r-(\d+)'", data)]
            missing = [n for n in range(max(pings, default=-1) + 1) if f"m-{number}-{n}" not in stored]
            self.assertEqual(missing[:9], [], f"acknowledged and lost, of {len(pings)}")
            account = f"u{number}@{DOMAIN}"
            lost = [n for n in sets if (account, f"contact{n}@{DOMAIN}") not in contacts]
            self.assertEqual(lost, [])
            total += len(pings) + len(sets)
        return total


class Ends(Case):
    async def test_sigterm(self) -> None:
        received = await self.under_load(signal.SIGTERM)
        for data in received:
            self.assertIn(b"<system-shutdown", data[-400:])
            self.assertTrue(data.endswith(b"</stream:stream>"), data[-200:])
        self.assertGreater(self.check_acknowledged(received), 100)
        log = self.server.log.read_text()
        self.assertIn("stopped; everything is on disk", log)
        self.assertNotIn("Traceback", log)
        self.assertNotIn("could not", log)

    async def test_kill(self) -> None:
        received = await self.under_load(signal.SIGKILL)
        self.assertGreater(self.check_acknowledged(received), 100)
        await self.again()
        last = await self.client(self.users - 1)
        await last.send("<presence/>")
        await last.until("m-0-0")
        self.assertNotIn("Traceback", self.server.log.read_text())


class Reloads(Case):
    users = 4

    async def reload(self, text: str, said: str) -> None:
        """Write the settings, send SIGHUP, and wait until the log says so."""
        before = len(self.server.log.read_text())
        self.server.config.write_text(text)
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGHUP)
        for _ in range(PATIENCE * 20):
            if said in self.server.log.read_text()[before:]:
                return
            await asyncio.sleep(0.05)
        self.fail(f"not said: {said}\n{self.server.tail()}")

    async def test_under_load(self) -> None:
        client, secure = await self.client(0), await RawClient.open(self.server.c2s_port)
        await secure.login("u1", PASSWORD, "x", self.server.certificate)
        load = asyncio.create_task(self.load(client, 0))
        reader = asyncio.create_task(client.to_end())
        good = self.server.config.read_text()
        done = "settings and certificates reloaded"
        old = self.server.certificate.read_bytes()
        write_certificate(self.server.folder, DOMAIN)
        more = good + '[hosts."example.net"]\n'
        await self.reload(more.replace("stanzas_burst", "connections_per_address = 7\nstanzas_burst"), done)
        await self.reload(
            good.replace("[limits]", "[limits]\nconnection_per_address = 7"), "the old ones stay in force"
        )
        self.assertIn("connections_per_address", self.server.tail(3))
        await self.reload("this is not TOML", "the old ones stay in force")
        await secure.ping()  # on the connection with the old certificate
        new = await RawClient.open(self.server.c2s_port)
        await new.login("u2", PASSWORD, "x", self.server.certificate)
        self.assertNotEqual(old, self.server.certificate.read_bytes())
        guest = await RawClient.open(self.server.c2s_port)
        await guest.send(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
            "to='example.net' version='1.0'>"
        )
        await guest.until("</stream:features>")
        await self.reload(good, done)
        self.assertIn(b"<host-gone", await guest.to_end())
        await new.ping()
        self.enough = True
        await load
        await client.send("</stream:stream>")
        received = await reader
        self.assertEqual((received.count(b"<stream:error"), received.count(b"type='error'")), (0, 0), received[-500:])
        self.assertNotIn("Traceback", self.server.log.read_text())
        for raw in (secure, new):
            raw.close()


class OnPostgres(Case):
    users = 3

    async def asyncSetUp(self) -> None:
        if binaries() is None:
            self.skipTest("PostgreSQL is not installed")
        self.cluster = Cluster()
        self.addCleanup(self.cluster.remove)
        await asyncio.to_thread(self.cluster.start)
        self.extra = f'{LIMITS}\n[database]\nurl = "{self.cluster.url}"\n'
        await super().asyncSetUp()

    async def ask(self, client: RawClient, xml: str, id_: str) -> bytes:
        """Send a request and return the answer to it."""
        await client.send(xml)
        while True:
            answer = await client.until(">")
            if id_.encode() in answer:
                return answer if answer.endswith(b"/>") else answer + await client.until("</iq>")

    async def messages_wait(self, client: RawClient) -> None:
        """One waits; one that comes when [database] patience_seconds are over is refused."""
        await client.send(message("u2", 0, 1))
        await asyncio.sleep(6)
        await client.send(message("u2", 0, 3))
        answer = await client.until("</message>")
        self.assertIn(b"<error type='wait'><resource-constraint", answer)
        await client.ping()

    async def nobody_logs_in(self) -> None:
        with self.assertRaisesRegex(ConnectionError, "temporary-auth-failure"):
            other = await RawClient.open(self.server.c2s_port)
            self.addCleanup(other.close)
            login = asyncio.create_task(other.login("u1", PASSWORD, "x"))
            await asyncio.sleep(1)
            other.writer.write_eof()
            await login

    async def test_restarted_under_a_live_server(self) -> None:
        requests: dict[str, Any] = {
            "v": "<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>x</FN></vCard></iq>",
            "p": "<iq type='set' id='p'><query xmlns='jabber:iq:private'><a xmlns='urn:example:a'>x</a></query></iq>",
        }
        client = await self.client(0)
        await client.send(message("u2", 0, 0))  # from now on it is known that there is such an account
        await client.ping()
        for mode in ("fast", "immediate"):
            requests[f"r-{len(mode)}"] = roster_set(len(mode))
            await asyncio.to_thread(self.cluster.stop, mode)
            for id_, xml in requests.items():
                answer = await self.ask(client, xml, f"id='{id_}'")
                self.assertIn(b"<error type='wait'><resource-constraint", answer)
            await self.messages_wait(client)
            await self.nobody_logs_in()
            await asyncio.to_thread(self.cluster.start)
            await asyncio.sleep(1.5)  # what waits is tried again every second
            for id_, xml in requests.items():
                answer = await self.ask(client, xml, f"id='{id_}'")
                self.assertIn(b"type='result'", answer)
            del requests[f"r-{len(mode)}"]  # a change that is no change is not written
            await client.send(message("u2", 0, 2))
            await client.ping()
            other = await self.client(1)
            await other.ping()
            other.close()
        last = await self.client(2)
        await last.send("<presence/>")
        await last.until("m-0-1")
        await last.until("m-0-2")
        await last.ping()
        log = self.server.log.read_text()
        self.assertNotIn("Traceback", log)
        self.assertEqual(log.count("the database can be written again"), 2)


class SlowReader(Case):
    """One client doesn't read what many others send to it."""

    users = 20
    extra = f"{LIMITS}output_queue_octets = 1048576\n"

    async def test_memory_is_bounded_and_others_are_served(self) -> None:
        slow = await RawClient.open(self.server.c2s_port, receive_buffer=4096)
        self.addCleanup(slow.close)
        await slow.login("u0", PASSWORD, "x")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        senders = [await self.client(number, f"r{turn}") for number in range(1, self.users) for turn in range(10)]
        body = "x" * 2000
        size, most = self.server.resident_kib(), 0
        for _ in range(25):  # 10 MB, more than the system holds for it
            for sender in senders:
                await sender.send(f"<message to='u0@{DOMAIN}/x' type='headline'><body>{body}</body></message>")
            await senders[0].ping()
            most = max(most, self.server.resident_kib() - size)
        await asyncio.gather(*(sender.ping() for sender in senders))
        self.assertLess(most, 16 * 1024)
        log = self.server.log.read_text()
        self.assertEqual(log.count("does not take what is sent to it"), 1)
        self.assertIn(f"u0@{DOMAIN}/x (127.0.0.1) does not take", log)
        self.assertNotIn("Traceback", log)
        sessions = await asyncio.to_thread(self.server.xmppctl, "session", "list", "--account", f"u0@{DOMAIN}")
        self.assertNotIn("127.0.0.1", sessions)
        again = await self.client(0)
        await again.ping()
