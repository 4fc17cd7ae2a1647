"""Fetches of a server by HTTP/2, for test_http2: ``python -m tests.interop.fetches URL CERTIFICATE``.

It prints what came of them. It is a process of its own because those of the tests run on asyncio.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.task import react
from zope.interface import implementer

from xmppd.api.http import Response
from xmppd.api.network import NoConnection
from xmppd.net.network import Network


@implementer(IHostnameResolver)
class Loopback:
    """Every server is on this machine."""

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0, *_: Any, **__: Any) -> Any:
        """See IHostnameResolver."""
        receiver.resolutionBegan(self)
        receiver.addressResolved(IPv4Address("TCP", "127.0.0.1", portNumber))
        receiver.resolutionComplete()
        return self


async def fetches(reactor: Any, url: str, certificate: str) -> dict[str, Any]:
    """Return what a test looks at."""
    authority = Certificate.loadPEM(Path(certificate).read_bytes())
    reactor.installNameResolver(Loopback())  # the name of its certificate
    network = Network(reactor, trustRootFromCertificates([authority]))

    def ask(path: str, body: bytes = b"", octets: int = 65_536) -> Deferred[Response]:
        headers = {"X-Asked": path}
        return Deferred.fromCoroutine(
            network.fetch("POST", f"{url}{path}", headers, body, octets=octets, timeout=20, http2=True)
        )

    bodies = [b"%d" % number * 3_000 for number in range(60)]  # more than a window of this server takes
    echoed = await gatherResults([ask("/echo", body) for body in bodies])
    large = await ask("/large", octets=1_000_000)
    try:
        await ask("/large", octets=999_999)
        cut = ""
    except NoConnection as error:
        cut = str(error)
    refused = await ask("/refuse", b"again")
    left = await gatherResults([ask("/leave", b"bye"), *(ask("/echo", body) for body in bodies[:20])])
    await network.close()
    return {
        "echoed": [answer.body for answer in echoed] == bodies,
        "asked": {answer.headers["x-asked"] for answer in echoed} == {"/echo"},
        "most": int(echoed[-1].headers["x-most"]),
        "sessions": int(refused.headers["x-sessions"]),
        "large": len(large.body),
        "cut": cut,
        "refused": refused.body.decode(),
        "left": [answer.body for answer in left] == [b"bye", *bodies[:20]],
        "sessions at the end": max(int(answer.headers["x-sessions"]) for answer in left),
    }


async def main(reactor: Any, url: str, certificate: str) -> None:
    """Print it."""
    print(json.dumps(await fetches(reactor, url, certificate)))


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, *sys.argv[1:])))
