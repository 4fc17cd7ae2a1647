"""The stand-ins as a process: ``python -m xmppd.testing.vendors --port 8443 --ca ca.pem``.

They listen on loopback. When they do, the address of all of them is printed, and the file has the certificate of the
authority that whoever connects has to believe: ``SSL_CERT_FILE=ca.pem twistd ...``. How to control them is in
:mod:`xmppd.testing.vendors.control`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from xmppd.testing.authority import authority_pem, certificate
from xmppd.testing.vendors.control import Controlled
from xmppd.testing.vendors.server import WebFactory, over_tls
from xmppd.testing.vendors.vendors import Vendors


def main(reactor: Any, *arguments: str) -> Deferred[None]:
    """Run until somebody ends it."""
    parser = ArgumentParser("python -m xmppd.testing.vendors", description="Stand-ins for the vendors of push.")
    parser.add_argument("--port", type=int, default=0, help="where they listen; 0: anywhere")
    parser.add_argument("--ca", type=Path, required=True, help="file that the authority's certificate is written to")
    options = parser.parse_args(arguments)
    options.ca.write_bytes(authority_pem())

    # Their address is known when they listen, and they have to know it.
    answering: list[Controlled] = []
    factory = WebFactory(lambda request: answering[0](request))
    port = reactor.listenTCP(options.port, over_tls(factory, certificate("localhost")), interface="127.0.0.1")
    origin = f"https://localhost:{port.getHost().port}"
    answering.append(Controlled(Vendors(reactor.seconds, origin)))
    print(origin, flush=True)
    return Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
