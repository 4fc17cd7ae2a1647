"""The network that can be broken: what each fault does to both ends of a connection."""

from __future__ import annotations

import asyncio
import random
import unittest

from tests.faults.link import DOWN, UP, Link


class Faults(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        server = await asyncio.start_server(lambda *ends: self.accepted.put_nowait(ends), "127.0.0.1", 0)
        self.addCleanup(server.close)
        self.link = Link(server.sockets[0].getsockname()[1])
        await self.link.start()
        self.addAsyncCleanup(self.link.stop)
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.link.port)
        self.writer.write(b"hello")  # before the other connection is there
        self.far_reader, self.far_writer = await self.accepted.get()
        self.addCleanup(self.writer.close)
        self.addCleanup(self.far_writer.close)
        self.assertEqual(await self.far_reader.readexactly(5), b"hello")
        pair = self.link.current
        assert pair is not None
        self.pair = pair

    async def test_carries(self) -> None:
        self.far_writer.write(b"hello yourself")
        self.assertEqual(await self.reader.readexactly(14), b"hello yourself")

    async def test_reset(self) -> None:
        self.pair.cut()
        for reader in (self.reader, self.far_reader):
            with self.assertRaises(ConnectionResetError):
                await reader.read(10)
        self.assertIsNone(self.link.current)

    async def test_fin(self) -> None:
        self.pair.close()
        self.assertEqual(await self.reader.read(10), b"")
        self.assertEqual(await self.far_reader.read(10), b"")

    async def test_one_end_closes(self) -> None:
        self.writer.write(b"the end")
        self.writer.close()
        self.assertEqual(await self.far_reader.read(), b"the end")

    async def test_behind(self) -> None:
        """The request arrives, its answer doesn't."""
        self.pair.cut_behind()
        self.writer.write(b"how are you?")
        self.assertEqual(await self.far_reader.readexactly(12), b"how are you?")
        self.far_writer.write(b"well")
        with self.assertRaises(ConnectionResetError):
            await self.reader.read(10)

    async def test_struck(self) -> None:
        """Of two connections, one or both."""
        other = await asyncio.open_connection("127.0.0.1", self.link.port)
        self.addCleanup(other[1].close)
        other[1].write(b"x")
        self.addCleanup((await self.accepted.get())[1].close)
        numbers = {len(self.link.struck(random.Random(seed))) for seed in range(20)}
        self.assertEqual(numbers, {1, 2})
        self.pair.frozen = True
        self.assertNotIn(self.pair, self.link.struck(random.Random(1)))

    async def test_inside(self) -> None:
        self.pair.cut_inside(UP, 0.5)
        self.far_writer.write(b"this way is whole")
        self.assertEqual(await self.reader.readexactly(17), b"this way is whole")
        self.writer.write(b"0123456789")
        self.assertEqual(await self.far_reader.readexactly(5), b"01234")
        with self.assertRaises(ConnectionResetError):
            await self.far_reader.read(10)
        with self.assertRaises(ConnectionResetError):
            await self.reader.read(10)

    async def test_frozen(self) -> None:
        self.pair.frozen = True
        self.writer.write(b"nobody hears")
        self.far_writer.write(b"nobody")
        self.writer.close()
        await self.writer.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.link.port)
        self.addCleanup(writer.close)
        far_reader, far_writer = await self.accepted.get()
        self.addCleanup(far_writer.close)
        far_writer.write(b"a new one works")
        self.assertEqual(await reader.readexactly(15), b"a new one works")
        self.assertFalse(self.far_reader.at_eof())
        self.link.mend()
        with self.assertRaises(ConnectionResetError):
            await self.far_reader.read(10)
        writer.write(b"still")
        self.assertEqual(await far_reader.readexactly(5), b"still")

    async def test_slow_keeps_the_order(self) -> None:
        self.pair.delay = 0.05
        self.far_writer.write(b"one ")
        await asyncio.sleep(0.01)
        self.pair.delay = 0.0
        for number in range(100):
            self.far_writer.write(f"{number} ".encode())
            await asyncio.sleep(0)
        received = await self.reader.readuntil(b" 99 ")
        self.assertEqual(received.split(), [b"one", *(str(number).encode() for number in range(100))])

    async def test_budget(self) -> None:
        self.link.budgets = [6]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.link.port)
        self.addCleanup(writer.close)
        _, far_writer = await self.accepted.get()
        self.addCleanup(far_writer.close)
        far_writer.write(b"0123")
        self.assertEqual(await reader.readexactly(4), b"0123")
        far_writer.write(b"4567")
        self.assertEqual(await reader.readexactly(2), b"45")
        with self.assertRaises(ConnectionResetError):
            await reader.read(10)
        self.far_writer.write(b"the first has none")
        self.assertEqual(await self.reader.readexactly(18), b"the first has none")

    async def test_inside_what_is_slow(self) -> None:
        self.pair.delay = 0.2
        self.far_writer.write(b"one ")
        await asyncio.sleep(0.01)
        self.pair.cut_inside(DOWN, 0.5)
        self.far_writer.write(b"two ")
        self.assertEqual(await self.reader.readexactly(6), b"one tw")
        with self.assertRaises(ConnectionResetError):
            await self.reader.read(10)

    async def test_nobody_there(self) -> None:
        link = Link(1)
        await link.start()
        self.addAsyncCleanup(link.stop)
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        self.addCleanup(writer.close)
        with self.assertRaises(ConnectionResetError):
            await reader.read(10)
