"""What a message from one server to another costs each of them: `python -m bench.links [--help]`.

Users of one server chat with users of another, over a stream between the two that is encrypted and authenticated by
certificates: each message is answered by one. CPU is each server's own, for each message that crosses. In a
conversation between two different servers both carry the same load at the same time, so their ratio is to be trusted
on a machine that others use as well.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.client import PASSWORD, Session
from bench.process import cpu_seconds
from bench.servers import Prosody as LocalProsody
from bench.workloads import BODY, Meter, counter, drop
from tests.interop.network.stage import DNS_PORT, S2S_PORT, Domain, Stage
from tests.interop.server import PROJECT, TWISTD, XMPPCTL

C2S_PORT = 5222
MODULES = f"{LocalProsody.modules} s2s dialback s2s_auth_certs"


class Site:
    """One server of a conversation, in a folder of its own on an address of its own."""

    name = ""

    def __init__(self, stage: Stage, domain: Domain, users: int, archive: bool) -> None:
        self.archive = archive
        self.stage = stage
        self.domain = domain
        self.users = users
        self.address = stage.address()
        self.folder = stage.folder / f"{self.name}-{domain.name}"
        self.folder.mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        stage.publish(domain.name, self.address)
        self.prepare()

    @classmethod
    def installed(cls) -> bool:
        """Say whether this machine has the server."""
        return True

    def prepare(self) -> None:
        """Write configuration and accounts."""
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        """Return the command that runs the server in the foreground."""
        raise NotImplementedError

    @property
    def environment(self) -> dict[str, str]:
        """The server's environment."""
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
        return dict(os.environ, PYTHONPATH=path)

    @property
    def pid(self) -> int:
        """The process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start, and wait until clients can connect; RuntimeError with the log if they can't."""
        log = self.folder / "log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder,
                env=self.environment, start_new_session=True,
            )  # fmt: skip
        for _ in range(300):
            if self._answers():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"{self.name} did not start:\n{log.read_text('utf-8', 'replace')[-3000:]}")

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.address, C2S_PORT), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End the process."""
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Xmppd(Site):
    """This checkout, as its defaults are; without the archive, unless it is asked for."""

    name = "xmppd"

    @property
    def _config(self) -> Path:
        return self.folder / "xmppd.toml"

    def prepare(self) -> None:
        self._config.write_text(
            f"""\
[server]
data_dir = "{self.folder}/data"
log_level = "warn"
plain_without_tls = true

[listen]
c2s = ["tcp:{C2S_PORT}:interface={self.address}:backlog=1024"]
s2s = ["tcp:{S2S_PORT}:interface={self.address}"]

[s2s]
nameservers = ["{self.stage.nameserver}:{DNS_PORT}"]
ca = "{self.stage.authority.certificate}"

[hosts."{self.domain.name}"]
certificate = "{self.domain.credentials.certificate}"
key = "{self.domain.credentials.key}"
plugins = {"[]" if self.archive else '["-archive"]'}
"""
        )
        users = self.folder / "users.csv"
        users.write_text("".join(f"u{number}@{self.domain.name},{PASSWORD}\n" for number in range(self.users)))
        command = [*XMPPCTL, "-c", str(self._config), "user", "import", str(users)]
        subprocess.run(command, check=True, env=self.environment, cwd=self.folder, stdout=subprocess.DEVNULL)

    def command(self) -> Sequence[str]:
        return [*TWISTD, "-n", "--pidfile=", "xmppd", "-c", str(self._config)]


class Prosody(Site):
    """Prosody with what an operator after speed would set."""

    name = "prosody"

    @classmethod
    def installed(cls) -> bool:
        return shutil.which("prosody") is not None

    def prepare(self) -> None:
        credentials = self.domain.credentials
        modules = ", ".join(f'"{module}"' for module in MODULES.split() + ["mam"] * self.archive)
        ssl = (
            f'ssl = {{ certificate = "{credentials.certificate}", key = "{credentials.key}", '
            f'cafile = "{self.stage.authority.certificate}" }}'
        )
        (self.folder / "prosody.cfg.lua").write_text(
            f"""\
run_as_root = true
daemonize = false
data_path = "{self.folder}/data"
pidfile = "{self.folder}/prosody.pid"
interfaces = {{ "{self.address}" }}
c2s_ports = {{ {C2S_PORT} }}
s2s_ports = {{ {S2S_PORT} }}
c2s_direct_tls_ports = {{ }}
s2s_direct_tls_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}
unbound = {{
    resolvconf = false;
    forward = {{ "{self.stage.nameserver}@{DNS_PORT}" }};
    options = {{ ["do-not-query-localhost:"] = "no" }};
}}
modules_enabled = {{ {modules} }}
modules_disabled = {{ "offline" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = true
authentication = "internal_hashed"
gc = {{ mode = "generational" }}
network_settings = {{ tcp_backlog = 4096, opportunistic_writes = true, nagle = false, read_size = 65536 }}
log = {{ warn = "*console" }}
{ssl}
VirtualHost "{self.domain.name}"
    {ssl}
"""
        )
        self._make_accounts()

    def _make_accounts(self) -> None:
        accounts = self.folder / "data" / self.domain.name.replace(".", "%2e") / "accounts"
        accounts.mkdir(parents=True)
        for number in range(self.users):
            (accounts / f"u{number}.dat").write_text(_account())

    def command(self) -> Sequence[str]:
        return ["prosody", "-F", "--config", str(self.folder / "prosody.cfg.lua")]


SERVERS: dict[str, type[Site]] = {kind.name: kind for kind in (Xmppd, Prosody)}


def _account() -> str:
    """Return Prosody's file of an account."""
    salt, rounds = b"a salt for all", 10000
    salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt, rounds)
    stored = hashlib.sha1(hmac.digest(salted, b"Client Key", "sha1")).hexdigest()
    key = hmac.digest(salted, b"Server Key", "sha1").hex()
    return (
        f'return {{ ["stored_key"] = "{stored}"; ["server_key"] = "{key}"; '
        f'["salt"] = "{salt.decode()}"; ["iteration_count"] = {rounds}; }};\n'
    )


@dataclass(frozen=True)
class Cost:
    """What was measured: messages a second, and the CPU of each server in microseconds a message.

    :ivar there: which part of them went from the first server to the second.
    """

    per_second: float
    first_us: float
    second_us: float
    there: float


async def _log_in(site: Site, number: int) -> Session:
    loop = asyncio.get_running_loop()
    _, session = await loop.create_connection(lambda: Session(site.domain.name), site.address, C2S_PORT)
    await session.login(f"u{number}", None)
    session.write(b"<presence/>")
    return session


async def converse(first: Site, second: Site, options: argparse.Namespace) -> Cost:
    """Have users of two servers talk with each other, and measure both."""
    pairs = [[await _log_in(site, number) for site in (first, second)] for number in range(options.users)]
    there, back = Meter(), Meter()
    for one, other in pairs:
        _answering(one, other, there)
        _answering(other, one, back)
    for one, other in pairs:
        one.write(_message(other) * options.window)
    await _until_all_flows((there, back), len(pairs) * options.window)
    await asyncio.sleep(options.warmup)
    there.operations = back.operations = 0
    began, used = time.perf_counter(), (cpu_seconds(first.pid), cpu_seconds(second.pid))
    await asyncio.sleep(options.seconds)
    counts, seconds = (there.operations, back.operations), time.perf_counter() - began
    first_used, second_used = cpu_seconds(first.pid) - used[0], cpu_seconds(second.pid) - used[1]
    drop([session for pair in pairs for session in pair])
    if min(counts) == 0:
        raise RuntimeError("the messages of one direction don't arrive")
    count = sum(counts)
    return Cost(count / seconds, first_used / count * 1e6, second_used / count * 1e6, counts[0] / count)


def _message(to: Session) -> bytes:
    return f"<message to='{to.jid}' type='chat' id='m'>{BODY}</message>".encode()


def _answering(sender: Session, receiver: Session, meter: Meter) -> None:
    """Have each message answered: so as many go one way as the other, whoever is the slower."""
    answer = _message(sender)

    def counted(number: int) -> None:
        meter.operations += number
        receiver.write(answer * number)

    receiver.received = counter(b"</message>", counted)


async def _until_all_flows(meters: Sequence[Meter], enough: int) -> None:
    """The first messages have to find the other server."""
    for _ in range(300):
        if all(meter.operations >= enough for meter in meters):
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("the two servers don't talk with each other")


def measure(kinds: tuple[type[Site], type[Site]], options: argparse.Namespace) -> Cost:
    """Start both servers on fresh data, let them talk, and stop them."""
    stage = Stage()
    stage.start()
    sites: list[Site] = []
    try:
        for kind, name in zip(kinds, ("one.example", "two.example"), strict=True):
            site = kind(stage, stage.domain(name), options.users, options.archive)
            site.start()
            sites.append(site)
        return asyncio.run(converse(sites[0], sites[1], options))
    finally:
        for site in sites:
            site.stop()
        stage.remove()


def conversations(names: Sequence[str]) -> list[tuple[type[Site], type[Site]]]:
    """Return who talks with whom: each server with itself, then ours with each rival."""
    kinds = [SERVERS[name] for name in names]
    return [(kind, kind) for kind in kinds] + [(Xmppd, kind) for kind in kinds if kind is not Xmppd and Xmppd in kinds]


def main() -> int:
    """Measure all conversations and print the table."""
    parser = argparse.ArgumentParser(prog="bench.links", description=__doc__)
    available = [name for name, kind in SERVERS.items() if kind.installed()]
    parser.add_argument("--servers", default=",".join(available), help="names, with commas between (those installed)")
    parser.add_argument("--users", type=int, default=50, help="users of each server (50)")
    parser.add_argument("--window", type=int, default=4, help="messages in flight between two users (4)")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured in each run (5)")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds before them (2)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the table has the medians (1)")
    parser.add_argument("--archive", action="store_true", help="everybody's messages are archived")
    parser.add_argument("--only-mixed", action="store_true", help="only conversations between two different servers")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # the servers are to be stopped
    print(f"{'conversation':22}{'messages/s':>11}{'CPU a message, each':>26}{'ratio':>9}{'that way':>10}")
    for kinds in conversations(options.servers.split(",")):
        if options.only_mixed and kinds[0] is kinds[1]:
            continue
        costs = [measure(kinds, options) for _ in range(options.repeat)]
        first, second = (statistics.median(c) for c in zip(*((c.first_us, c.second_us) for c in costs), strict=True))
        rate, there = (statistics.median(c) for c in zip(*((c.per_second, c.there) for c in costs), strict=True))
        names = " - ".join(kind.name for kind in kinds)
        print(f"{names:22}{rate:11.0f}{first:12.1f} {second:9.1f} µs  {first / second:8.2f}{there:10.0%}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
