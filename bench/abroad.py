"""What a message in a room costs when nearly all occupants are on one other server: `python -m bench.abroad [--help]`.

Users of the second server enter a room of the first one, over a stream between the two that is encrypted and
authenticated by certificates. Somebody on the first server writes, one message in flight. CPU is each server's own, for
each occupant that a message reaches; archives are off, the room's as well.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import signal
import statistics
import sys
import time
from pathlib import Path

from bench.client import Session
from bench.links import C2S_PORT, Prosody, Site, Xmppd
from bench.managed import some_at_once
from bench.occupants import BODY, Occupant, Tally
from bench.process import cpu_seconds
from tests.interop.network.stage import Stage

_UNLIMITED = 1_000_000_000
_AT_ONCE = 20  # log-ins


class XmppdRooms(Xmppd):
    """Ours, without limits on entering."""

    def prepare(self) -> None:
        super().prepare()
        config = self._config
        rooms = f"""\
[hosts."{self.domain.name}".muc]
joins_per_minute = {_UNLIMITED}
join_presence_per_second = {_UNLIMITED}
deliveries_per_second = {_UNLIMITED}

[hosts."{self.domain.name}".muc.defaults]
archive = false
"""
        config.write_text(f"{config.read_text('utf-8')}\n{rooms}", "utf-8")


class ProsodyRooms(Prosody):
    """Prosody with mod_muc."""

    def prepare(self) -> None:
        super().prepare()
        config = Path(self.folder / "prosody.cfg.lua")
        credentials = self.domain.credentials
        ssl = f'ssl = {{ certificate = "{credentials.certificate}", key = "{credentials.key}" }}'
        rooms = f'Component "{self.domain.rooms}" "muc"\nrestrict_room_creation = false\n{ssl}\n'
        config.write_text(config.read_text("utf-8") + rooms, "utf-8")


SERVERS: dict[str, type[Site]] = {kind.name: kind for kind in (XmppdRooms, ProsodyRooms)}


async def _log_in(site: Site, number: int) -> Occupant:
    loop = asyncio.get_running_loop()
    _, session = await loop.create_connection(lambda: Session(site.domain.name), site.address, C2S_PORT)
    await session.login(f"u{number}", None)
    session.write(b"<presence/>")
    return Occupant(session, f"{site.domain.name}-u{number}")


async def talk(first: Site, second: Site, options: argparse.Namespace) -> tuple[float, float, float]:
    """Fill the room and have somebody write; return deliveries a second, and the CPU of each server for one, in µs."""
    room = f"room@{first.domain.rooms}"
    sender = await _log_in(first, 0)
    await sender.enter(room)
    people = await some_at_once(lambda number: _log_in(second, number), range(options.occupants), _AT_ONCE)
    for occupant in people:  # many at once would be more than a stream takes without acknowledgements
        await occupant.enter(room)
    message = f"<message to='{room}' type='groupchat' id='m'>{BODY}</message>".encode()
    tally = Tally(people, b"</message>")
    own = Tally([sender], b"</message>")
    ended = False

    async def write() -> None:
        while not ended:
            count, heard = tally.number, own.number
            sender.session.write(message)
            await own.reaches(heard + 1)
            await tally.reaches(count + options.occupants)

    await asyncio.sleep(options.warmup)
    tally.number = own.number = 0
    writing = asyncio.ensure_future(write())
    await asyncio.sleep(options.warmup)
    began, used, before = time.perf_counter(), [cpu_seconds(site.pid) for site in (first, second)], tally.number
    await asyncio.sleep(options.seconds)
    count, seconds = tally.number - before, time.perf_counter() - began
    costs = [cpu_seconds(site.pid) - was for site, was in zip((first, second), used, strict=True)]
    ended = True
    await writing
    for occupant in (sender, *people):
        occupant.session.transport.abort()
    return count / seconds, costs[0] / count * 1e6, costs[1] / count * 1e6


def measure(kind: type[Site], options: argparse.Namespace) -> tuple[float, float, float]:
    """Start two servers on fresh data, measure, and stop them."""
    stage = Stage()
    stage.start()
    sites: list[Site] = []
    try:
        for name in ("one.example", "two.example"):
            site = kind(stage, stage.domain(name), options.occupants, False)
            site.start()
            sites.append(site)
        return asyncio.run(talk(sites[0], sites[1], options))
    finally:
        for site in sites:
            site.stop()
        stage.remove()


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="bench.abroad", description=__doc__)
    available = [name for name, kind in SERVERS.items() if kind.installed()]
    parser.add_argument("--servers", default=",".join(available), help="names, with commas between (those installed)")
    parser.add_argument("--occupants", type=int, default=1000, help="users of the other server (1000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured in each run (5)")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds before them (2)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the table has the medians (1)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # the servers are to be stopped
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{'server':10}{'deliveries/s':>13}{'CPU of the room server':>25}{'of the other':>15}")
    for name in options.servers.split(","):
        runs = [measure(SERVERS[name], options) for _ in range(options.repeat)]
        rate, here, there = (statistics.median(figures) for figures in zip(*runs, strict=True))
        print(f"{name:10}{rate:13.0f}{here:22.2f} µs{there:12.2f} µs", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
