"""The workload of a client that fetches its whole archive (XEP-0313), page by page (XEP-0059)."""

from __future__ import annotations

import asyncio
import re
import time

from bench.client import Session, log_in_all, trusting
from bench.process import cpu_seconds
from bench.workloads import BODY, Load, Result, counter, drop

SENDERS = 20
IN_FLIGHT = 50
"""Messages on their way to the archive at the same time: fewer than a server would call a flood."""
_QUERY = (
    b"<iq type='set' id='page%d.'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>"
    b"<max>%d</max>%s</set></query></iq>"
)
_ID = re.compile(rb"<result [^>]*?\bid=['\"]([^'\"]+)")
_LAST = re.compile(rb"<last>([^<]+)</last>")
_COMPLETE = re.compile(rb"<fin[^>]* complete=['\"]true['\"]")


async def sync(load: Load) -> Result:
    """A client fetches the `messages` in the archive of its user, `page` at a time. One operation is one message.

    It does so again and again until the time is over, but at least once; the latencies are those of pages.
    RuntimeError if a message is missing or comes twice.
    """
    context = trusting() if load.tls else None
    reader, *senders = await log_in_all(load.port, SENDERS + 1, context)
    await _fill(reader, senders, load.messages)
    await asyncio.sleep(load.warmup)
    began, used, own = time.perf_counter(), cpu_seconds(load.pid), time.process_time()
    rounds: list[list[float]] = []
    while not rounds or time.perf_counter() - began < load.seconds:
        rounds.append(await _fetch(reader, load))
    seconds, cpu = time.perf_counter() - began, cpu_seconds(load.pid) - used
    own = time.process_time() - own
    drop([reader, *senders])
    operations = load.messages * len(rounds)
    pages = sorted(page for round in rounds for page in round)
    tenth = max(len(rounds[0]) // 10, 1)
    return Result(
        operations,
        operations / seconds,
        cpu / operations * 1e6,
        pages[len(pages) // 2] * 1e3,
        pages[int(len(pages) * 0.99)] * 1e3,
        cpu / seconds * 100,
        own / seconds * 100,
        first_ms=_mean([page for round in rounds for page in round[:tenth]]) * 1e3,
        last_ms=_mean([page for round in rounds for page in round[-tenth:]]) * 1e3,
    )


def _mean(values: list[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


async def _fill(reader: Session, senders: list[Session], messages: int) -> None:
    """Send the reader so many messages, and wait until they have all arrived."""
    message = f"<message to='{reader.jid}' type='chat' id='m'>{BODY}</message>".encode()
    sent = arrived = 0
    everything = asyncio.Event()

    def send(number: int) -> None:
        nonlocal sent
        for _ in range(min(number, messages - sent)):
            senders[sent % len(senders)].write(message)
            sent += 1

    def counted(number: int) -> None:
        nonlocal arrived
        arrived += number
        send(number)
        if arrived == messages:
            everything.set()

    for sender in senders:
        sender.received = lambda _data: None
    reader.received = counter(b"</message>", counted)
    send(IN_FLIGHT)
    await everything.wait()
    reader.received = None


async def _fetch(reader: Session, load: Load) -> list[float]:
    """Fetch the archive, check that it is whole, and return how long each page took."""
    pages: list[float] = []
    found: set[bytes] = set()
    after, complete = b"", False
    while not complete:
        began = time.perf_counter()
        answer = await reader.ask(_QUERY % (len(pages), load.page, after), b"</iq>")
        pages.append(time.perf_counter() - began)
        ids, last = _ID.findall(answer), _LAST.search(answer)
        found.update(ids)
        complete = _COMPLETE.search(answer) is not None
        if last is None and not complete:
            raise RuntimeError(f"not a page of the archive: {answer[-1000:]!r}")
        after = b"<after>%s</after>" % last[1] if last else b""
    if len(found) != load.messages:
        raise RuntimeError(f"{len(found)} of {load.messages} messages were in the archive")
    return pages
