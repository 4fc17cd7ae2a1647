"""Two servers of ours with certificates of one authority, which find each other through proxies that can be broken."""

from __future__ import annotations

from tests.faults.servers import PASSWORD, Xmppd
from tests.interop.network.authority import Authority
from tests.interop.server import free_port

SIDES = ("a", "b")


def domain_of(side: str) -> str:
    """Return the domain of a side; its accounts' names begin with the same letter."""
    return f"{side}.test"


class Neighbour(Xmppd):
    """One of two servers.

    :param side: one of SIDES.
    :param authority: issues its certificate, and is believed.
    :param dialback: is its certificate one that nobody believes, so that only dialback is left?
    """

    def __init__(self, side: str, authority: Authority, disk: bool = False, dialback: bool = False) -> None:
        self.side, self.authority, self.dialback = side, authority, dialback
        self.domain = domain_of(side)
        self.s2s_port = free_port()
        super().__init__(disk)

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        names = (self.domain, f"*.{self.domain}")
        credentials = self.authority.issue(self.domain, names, self_signed=self.dialback)
        self.config = self.folder / "xmppd.toml"
        self.text = f"""\
[server]
data_dir = "{self.folder}/data"
plain_without_tls = true

[listen]
c2s = ["tcp:{self.c2s_port}:interface=127.0.0.1"]
c2s_tls = ["tcp:{self.tls_port}:interface=127.0.0.1"]
s2s = ["tcp:{self.s2s_port}:interface=127.0.0.1"]

[stream_management]
hibernation_seconds = 3600.0

[hosts."{self.domain}"]
certificate = "{credentials.certificate}"
key = "{credentials.key}"

[hosts."{self.domain}".offline]
max_messages = 1000000
max_octets = 1000000000

[hosts."{self.domain}".presence]
repair_seconds = 2.0
answer_seconds = 5.0
retry_seconds = 5.0
retry_at_most_seconds = 10.0

[s2s]
ca = "{self.authority.certificate}"
queue_seconds = 20.0
retry_seconds = 1.0
retry_at_most_seconds = 4.0
"""
        self.prepare_data()

    def reached_by(self, other: str, port: int) -> None:
        """Write the configuration: the other server is found at this port of loopback."""
        self.config.write_text(f'{self.text}\n[s2s.domains."{other}"]\naddress = "127.0.0.1:{port}"\n')

    def add_users(self, names: list[str]) -> None:
        users = self.folder / "users.csv"
        users.write_text("".join(f"{name}@{self.domain} {PASSWORD}\n" for name in names))
        self.xmppctl("user", "import", str(users))


__all__ = ["SIDES", "Neighbour", "domain_of"]
