"""An authoritative name server for the domains of the tests.

It is run by ``python -m tests.interop.network.dns ZONE ADDRESS PORT``; ZONE is a JSON file that is read again
whenever it has changed:

    {"records": [["_xmpp-server._tcp.a.example", "SRV", 1, [0, 5, 5269, "xmpp.a.example"]],
                 ["xmpp.a.example", "A", 1, ["127.0.0.1"]]],
     "faults": {"b.example": "servfail", "c.example": "silent", "d.example": "slow 2"}}

with the time to live before the record's values. A fault is one of a name and all below it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from twisted.internet import defer, error, reactor, task
from twisted.names import common, dns, server
from twisted.names.error import AuthoritativeDomainError

RECORDS: dict[str, type[Any]] = {
    "A": dns.Record_A,
    "AAAA": dns.Record_AAAA,
    "CNAME": dns.Record_CNAME,
    "SRV": dns.Record_SRV,
}


class ServerFailure(Exception):
    """The question is answered with SERVFAIL."""


class Zone:
    """What the file says, by name in lower case."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[int, int] | None = None
        self.records: dict[str, list[tuple[int, Any]]] = {}
        self.faults: dict[str, str] = {}

    def refresh(self) -> None:
        """Read the file if it is another one than before."""
        status = os.stat(self.path)
        if self._read == (status.st_mtime_ns, status.st_ino):
            return
        given = json.loads(self.path.read_text())
        self._read = (status.st_mtime_ns, status.st_ino)
        self.faults = given.get("faults", {})
        self.records = {}
        for name, kind, ttl, values in given["records"]:
            root = [b"" if value == "." else value for value in values]  # which dns.Name does not take as text
            record = RECORDS[kind](*root, ttl=ttl)
            self.records.setdefault(name.lower(), []).append((ttl, record))

    def fault(self, name: str) -> str:
        """Return what is wrong with this name or one above it."""
        labels = name.split(".")
        return next((self.faults[end] for n in range(len(labels)) if (end := ".".join(labels[n:])) in self.faults), "")

    def exists(self, name: str) -> bool:
        """Say whether there is anything of this name or below it (RFC 8020)."""
        return any(known == name or known.endswith(f".{name}") for known in self.records)


class Authoritative(common.ResolverBase):
    """Answers from a zone; names that it doesn't have don't exist."""

    def __init__(self, zone: Zone) -> None:
        super().__init__()
        self.zone = zone

    def query(self, query: dns.Query, timeout: Any = None) -> defer.Deferred[Any]:
        """Answer a question after what is wrong with its name."""
        self.zone.refresh()
        name = query.name.name.decode("ascii", "replace").lower()
        fault, _, seconds = self.zone.fault(name).partition(" ")
        if fault == "silent":
            return defer.Deferred()
        if fault == "servfail":
            return defer.fail(ServerFailure(name))
        wait = float(seconds) if fault == "slow" else 0.0
        return task.deferLater(reactor, wait, self._answer, name, query)

    def _answer(self, name: str, query: dns.Query) -> tuple[list[Any], list[Any], list[Any]]:
        records = self.zone.records.get(name, [])
        wanted = {query.type, dns.CNAME}
        answers = [
            dns.RRHeader(name, record.TYPE, dns.IN, ttl, record, auth=True)
            for ttl, record in records
            if record.TYPE in wanted or query.type == dns.ALL_RECORDS
        ]
        if not answers and not self.zone.exists(name):
            raise AuthoritativeDomainError(name)
        return answers, [], []


class Factory(server.DNSServerFactory):
    """Says again that recursion was desired, as RFC 1035 section 4.1.1 wants; Erlang takes no other answers."""

    def sendReply(self, protocol: Any, message: Any, address: Any) -> None:
        """Send an answer to one who desired recursion, as every resolver of ours does."""
        message.recDes = True
        super().sendReply(protocol, message, address)


def main(zone: str, address: str, port: str) -> None:
    """Serve until the process is ended."""
    factory = Factory(clients=[Authoritative(Zone(Path(zone)))])
    real: Any = reactor
    try:
        real.listenUDP(int(port), dns.DNSDatagramProtocol(factory), interface=address)
        real.listenTCP(int(port), factory, interface=address)
    except error.CannotListenError as problem:
        sys.exit(str(problem))
    real.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
