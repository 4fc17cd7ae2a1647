"""A stretch of network that a test can break: bytes pass until it is cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

NO_LINGER = struct.pack("ii", 1, 0)  # closing sends RST at once


class Proxy:
    """Listens on one address and passes what comes to another."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.connections = 0  # so far
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, address: str, port: int) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._accept, address, port)

    async def stop(self) -> None:
        """Stop listening and reset what is open."""
        if self._server is not None:
            self._server.close()
        self.reset()

    def reset(self) -> None:
        """Reset all connections, to both sides, with RST."""
        for writer in self._writers:
            with contextlib.suppress(OSError):  # it may be closed already
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there[1]}
        await asyncio.gather(self._copy(reader, there[1]), self._copy(there[0], writer))

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()
