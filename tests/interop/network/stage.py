"""The stage: a name server, an authority, and an address of 127.0.0.0/8 for each server.

Nothing of the machine is changed: the servers are told the name server by their own settings, and
every port is above 1023. What belongs to one stage shares three bytes of its addresses.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.network.authority import Authority, Credentials
from tests.interop.network.daemon import Daemon
from tests.interop.server import PROJECT

DNS_PORT = 5353
S2S_PORT, S2S_TLS_PORT, COMPONENT_PORT = 5269, 5270, 5347


@dataclass(frozen=True)
class Domain:
    """A domain that some server of the stage serves, with the certificate it shows.

    `rooms` is the domain of its MUC service, and `bidi` whether it is to speak XEP-0288.
    """

    name: str
    credentials: Credentials
    bidi: bool = False

    @property
    def rooms(self) -> str:
        """The domain of the MUC service."""
        return f"conference.{self.name}"


def replace(path: Path, text: str) -> None:
    """Write a file that others read, all of it at once."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


class Stage:
    """Makes the folder and the authority; `start` runs the name server, `remove` ends it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="interop-network-"))
        self.authority = Authority(self.folder / "certificates")
        self._prefix = f"127.{random.randrange(16, 250)}.{random.randrange(256)}"
        self._used = 1
        self.nameserver = self.address()
        self.zone = self.folder / "zone.json"
        self.hosts = self.folder / "hosts"  # the addresses once more, for those who ask the C library
        self._records: dict[str, list[list[Any]]] = {}
        self._faults: dict[str, str] = {}
        self._dns: Daemon | None = None

    def address(self) -> str:
        """Return an address of loopback that nothing else on this stage has."""
        self._used += 1
        return f"{self._prefix}.{self._used}"

    def domain(self, name: str, bidi: bool = False, **certificate: Any) -> Domain:
        """Return a domain with a certificate for it and its MUC service, or as `Authority.issue` is told."""
        certificate.setdefault("dns", [name, f"conference.{name}"])
        return Domain(name, self.authority.issue(name, **certificate), bidi)

    # ---- names

    def publish(
        self,
        domain: str,
        address: str,
        *,
        port: int | None = S2S_PORT,
        tls_port: int | None = None,
        srv: bool = True,
    ) -> None:
        """Say where a domain and its MUC service are: by SRV, or by A alone and the default port."""
        for name in (domain, f"conference.{domain}"):
            records: list[list[Any]] = [] if srv else [[name, "A", 1, [address]]]
            host = f"host.{name}"
            if srv:
                records.append([host, "A", 1, [address]])
            for service, at in (("_xmpp-server", port), ("_xmpps-server", tls_port)):
                if srv and at is not None:
                    records.append([f"{service}._tcp.{name}", "SRV", 1, [0, 5, at, host]])
            self._records[name] = records
        self._write()

    def records(self, domain: str, records: Sequence[Sequence[Any]]) -> None:
        """Publish exactly these records (see the name server) on account of a domain."""
        self._records[domain] = [list(record) for record in records]
        self._write()

    def fault(self, domain: str, fault: str) -> None:
        """Let the name server misbehave for a domain and all below it; an empty text ends that."""
        self._faults[domain] = fault
        self._write()

    def _write(self) -> None:
        content: dict[str, Any] = {
            "records": [record for records in self._records.values() for record in records],
            "faults": {name: fault for name, fault in self._faults.items() if fault},
        }
        replace(self.zone, json.dumps(content))
        addresses = [(values[0], name) for name, kind, _, values in content["records"] if kind in ("A", "AAAA")]
        replace(self.hosts, "".join(f"{address} {name}\n" for address, name in addresses))

    # ---- the name server

    def start(self) -> None:
        """Start the name server; RuntimeError if it does not answer."""
        self._write()
        command = [sys.executable, "-m", "tests.interop.network.dns", str(self.zone), self.nameserver, str(DNS_PORT)]
        folder = self.folder / "dns"
        folder.mkdir(exist_ok=True)
        self._dns = Daemon(folder, command, {"PYTHONPATH": str(PROJECT)})
        self._dns.start(self.nameserver, DNS_PORT)

    def stop(self) -> None:
        """End the name server."""
        if self._dns is not None:
            self._dns.kill()

    def remove(self) -> None:
        """End the name server and delete the folder, unless XMPPD_INTEROP_KEEP is set."""
        self.stop()
        if "XMPPD_INTEROP_KEEP" in os.environ:
            print(f"kept {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
