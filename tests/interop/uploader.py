"""Upload a file with slixmpp, in a process of its own: ``python -m tests.interop.uploader`` with JSON on its input.

It prints ``seconds URL``. What it costs to send a large file must not delay those whose answers are timed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
import time
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from slixmpp import ClientXMPP
from slixmpp.plugins.xep_0363 import http_upload


class Loopback(AbstractResolver):
    """Every name is on this machine."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        """See AbstractResolver."""
        found = {"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        return [found]

    async def close(self) -> None:
        """See AbstractResolver."""


def session_class(certificate: str) -> Any:
    """Return what makes HTTP sessions that believe a certificate."""

    def make(**options: Any) -> aiohttp.ClientSession:
        context = ssl.create_default_context(cafile=certificate)
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Loopback(), ssl=context), **options)

    return make


async def upload(jid: str, password: str, address: str, port: int, certificate: str, file: str) -> tuple[float, str]:
    """Log in, upload a file, and return how long that took and where it is."""
    made: Any = http_upload
    made.ClientSession = session_class(certificate)
    client: Any = ClientXMPP(jid, password)
    client.register_plugin("xep_0363")
    client.ssl_context = ssl.create_default_context(cafile=certificate)
    client.enable_direct_tls, client.enable_starttls = False, True
    started = client.wait_until("session_start", 30)
    client.connect(address, port)
    await started
    begun = time.monotonic()
    url: str = await client["xep_0363"].upload_file(file)
    took = time.monotonic() - begun
    await client.disconnect()
    return took, url


if __name__ == "__main__":
    print(*asyncio.run(upload(**json.load(sys.stdin))))
