"""Ten thousand old phones that come back at once after the server was killed: `python -m bench.storm [--help]`.

They say what :mod:`xmppd.testing.smack` says; such a client waits five seconds for an answer and then gives up. They
are logged in; the server is killed (SIGKILL) and started again, and all connect at the same moment. What is shown is
how long each step took. How long connecting itself took is shown apart: a client waits for that as long as its system
does, a minute or two.

Client and server are on the same machine, each on a CPU of its own if there are two. The longest turn of the load
generator is shown, too: by so much figures may be too large.
"""

from __future__ import annotations

import argparse
import os
import resource
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from bench.process import cpu_seconds
from bench.servers import CPUS, Xmppd
from tests.interop.server import XMPPCTL
from xmppd.testing.smack import REPLY_TIMEOUT, old_tls

#: In their order; the answer to the last is the only one that androidpn's client doesn't wait for.
STEPS = ("tcp", "features", "tls", "features after tls", "auth get", "auth set", "roster")
_AT_ONCE = 100
_PATIENCE = 300.0
_TURN = 0.02  # seconds of a turn in which connections are begun
_EVENTS = 200  # taken in a turn
_STREAMS = "http://etherx.jabber.org/streams"
_TLS = "urn:ietf:params:xml:ns:xmpp-tls"


class Server(Xmppd):
    """A server for old clients, with as many accounts as there are phones."""

    def __init__(self, phones: int, tls: bool, backlog: int) -> None:
        self.tls = tls
        self.backlog = backlog
        self.names = [(uuid.uuid4().hex, uuid.uuid4().hex) for _ in range(phones)]
        super().__init__(phones)

    def configure(self, archive: bool) -> None:
        """See Measured."""
        (self.run / "xmppd.toml").write_text(
            f"""\
[server]
data_dir = "{self.run}/data"
log_level = "warn"
[listen]
c2s_legacy_tls = ["tcp:{self.port}:interface=127.0.0.1:backlog={self.backlog}"]
[accounts]
hash_iterations = 4096
[legacy_tls]
required = {str(self.tls).lower()}
[hosts.localhost]
certificate = "{self.folder}/server.crt"
key = "{self.folder}/server.key"
plugins = ["androidpn", "legacy_auth", "-console", "-rest"]
"""
        )

    def prepare(self) -> None:
        """See Measured."""
        users = self.run / "users.csv"
        users.write_text("".join(f"{name}@localhost,{password}\n" for name, password in self.names))
        command = [*XMPPCTL, "-c", str(self.run / "xmppd.toml"), "user", "import", str(users)]
        subprocess.run(command, check=True, env=self.environment(), cwd=self.run, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Phone:
    """One of them, on a socket. It sends what :class:`xmppd.testing.smack.Smack` does, and looks for the answers' ends.

    :ivar seconds: how long each step took.
    """

    def __init__(self, server: Server, number: int) -> None:
        name, password = server.names[number]
        header = f'<stream:stream to="127.0.0.1" xmlns="jabber:client" xmlns:stream="{_STREAMS}" version="1.0">'
        get = f'<iq id="a" type="get"><query xmlns="jabber:iq:auth"><username>{name}</username></query></iq>'
        fields = f"<username>{name}</username><password>{password}</password><resource>AndroidpnClient</resource>"
        put = f'<iq id="b" type="set"><query xmlns="jabber:iq:auth">{fields}</query></iq>'
        roster = '<iq id="c" type="get"><query xmlns="jabber:iq:roster"></query></iq><presence id="d"></presence>'
        last = [("auth get", get, b"</iq>"), ("auth set", put, b"id='b'/>"), ("roster", roster, b"</iq>")]
        first = [("features", header, b"</stream:features>")]
        if server.tls:
            first.append(("tls", f'<starttls xmlns="{_TLS}"/>', b"<proceed"))
            first.append(("features after tls", header, b"</stream:features>"))
        self.steps = [(step, text.encode(), end) for step, text, end in [*first, *last]]
        self.source = (f"127.0.{1 + number // 250}.{1 + number % 250}", 0)
        self.seconds: dict[str, float] = {}
        self.socket: Any = None

    def begin(self, port: int) -> None:
        """Begin to connect."""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.bind(self.source)
        self.socket.connect_ex(("127.0.0.1", port))
        self.seconds, self._received, self._step, self._shaking = {}, b"", -1, False
        self._began = time.perf_counter()

    def go_on(self, context: ssl.SSLContext) -> int:
        """Do what can be done now; return what to wait for, or 0 when all is done."""
        now = time.perf_counter()
        if self._step < 0:
            problem = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                raise OSError(problem, os.strerror(problem))
            self._next("tcp", now)
        elif self._shaking:
            try:
                self.socket.do_handshake()
            except ssl.SSLWantReadError:
                return select.EPOLLIN
            self._shaking = False
            self._next("tls", now)
        else:
            data = self._read()
            step, _, end = self.steps[self._step]
            if end in data:
                if step == "tls":
                    self._shaking = True
                    self.socket = context.wrap_socket(self.socket, do_handshake_on_connect=False)
                    return self.go_on(context)
                self._next(step, now)
        return select.EPOLLIN if self._step < len(self.steps) else 0

    def _read(self) -> bytes:
        try:
            data = self.socket.recv(8192)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""
        if not data:
            raise OSError("the connection was lost")
        self._received += data
        if b"<stream:error" in self._received or b"type='error'" in self._received:
            raise OSError(f"refused: {self._received[-300:]!r}")
        return self._received

    def _next(self, step: str, now: float) -> None:
        self.seconds[step] = now - self._began
        self._step, self._began, self._received = self._step + 1, now, b""
        if self._step < len(self.steps):
            self.socket.send(self.steps[self._step][1])

    def lose(self) -> None:
        """Forget the connection."""
        self.socket.close()


class Phones:
    """All of them.

    :ivar lag: how long the load generator took for one turn at most, in seconds: so late it may have noticed answers.
    """

    def __init__(self, server: Server) -> None:
        self.all = [Phone(server, number) for number in range(len(server.names))]
        self.port = server.port
        self.context = old_tls()
        self.lag = 0.0

    def come(self, at_once: int) -> Counter[str]:
        """Have all log in, so many at a time; return why some could not."""
        problems, waiting, self.lag = Counter[str](), deque(self.all), 0.0
        under_way: dict[int, Phone] = {}
        until = time.monotonic() + _PATIENCE
        with select.epoll() as epoll:
            while (waiting or under_way) and time.monotonic() < until:
                began = time.perf_counter()
                while waiting and len(under_way) < at_once and time.perf_counter() < began + _TURN:
                    phone = waiting.popleft()
                    phone.begin(self.port)
                    under_way[phone.socket.fileno()] = phone
                    epoll.register(phone.socket.fileno(), select.EPOLLOUT)
                spent = time.perf_counter() - began
                found = epoll.poll(0 if waiting and len(under_way) < at_once else 1, _EVENTS)
                began = time.perf_counter()
                for file, _ in found:
                    phone = under_way[file]
                    try:
                        events = phone.go_on(self.context)
                    except OSError as error:
                        problems[str(error)] += 1
                        events = 0
                    if events:
                        epoll.modify(file, events)
                    else:
                        epoll.unregister(file)
                        del under_way[file]
                self.lag = max(self.lag, spent + time.perf_counter() - began)
        problems["nothing came"] += len(waiting) + len(under_way)
        return +problems

    def lose(self) -> None:
        """Forget the connections."""
        for phone in self.all:
            phone.lose()


def share(values: Sequence[float], part: float) -> float:
    """Return what that part of the values doesn't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def storm(server: Server) -> bool:
    """Let them log in, kill the server, start it, let them come back; say whether all were served in time."""
    phones = Phones(server)
    problems = phones.come(_AT_ONCE)
    if problems:
        raise RuntimeError(f"not all could log in before the storm: {problems}")
    server.kill()
    phones.lose()
    server.start()
    used, began = cpu_seconds(server.pid), time.perf_counter()
    problems = phones.come(len(phones.all))
    took = time.perf_counter() - began
    used = cpu_seconds(server.pid) - used
    each = used / len(phones.all) * 1000
    print(f"{len(phones.all)} phones{', TLS 1.0' if server.tls else ''}: all done after {took:.1f} s")
    print(f"CPU of the server: {each:.2f} ms each; longest turn of the generator: {phones.lag:.2f} s")
    print(f"{'step':20}{'median':>10}{'99 %':>10}{'slowest':>10}")
    for step in STEPS:
        taken = [phone.seconds[step] for phone in phones.all if step in phone.seconds]
        if taken:
            print(f"{step:20}{share(taken, 0.5):9.2f}s{share(taken, 0.99):9.2f}s{max(taken):9.2f}s")
    for problem, count in problems.most_common():
        print(f"{count} gave up: {problem}")
    late = sum(
        seconds > REPLY_TIMEOUT for phone in phones.all for step, seconds in phone.seconds.items() if step != "tcp"
    )
    print(f"answers that took longer than {REPLY_TIMEOUT:.0f} s: {late}")
    return not late and not problems


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="bench.storm", description=__doc__)
    parser.add_argument("--phones", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--plain", action="store_true", help="without TLS")
    parser.add_argument("--backlog", type=int, default=50, help="connections that the system takes in advance (50)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if len(CPUS) > 1:
        os.sched_setaffinity(0, set(CPUS[1:]))
    server = Server(options.phones, not options.plain, options.backlog)
    try:
        server.start()
        return 0 if storm(server) else 1
    finally:
        server.stop()
        server.remove()


if __name__ == "__main__":
    sys.exit(main())
