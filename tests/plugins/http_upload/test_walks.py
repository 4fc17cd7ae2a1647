"""Uploads at random: people upload, break off, wait, delete; servers are restarted and killed; the books stay true."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from xmppd.api.waiting import as_deferred
from xmppd.plugins.http_upload.store import State
from xmppd.plugins.http_upload.tables import FILES, SERVICES
from xmppd.testing.http import PlayedBody

from .kit import UploadTestCase, request_of

_QUOTA = 1000
_STEPS = 60


class Walks(UploadTestCase):
    config = {"http_upload": {"quota": _QUOTA, "days": 0.01, "put_seconds": 120, "slots_per_minute": 1000}}

    def setUp(self) -> None:
        super().setUp()
        self.open: dict[str, tuple[str, bytes]] = {}  # by address: where to put it, and what
        self.there: dict[str, bytes] = {}

        self.log_in()

    def log_in(self) -> None:
        self.people = [self.login(f"{name}@example.org/x") for name in ("romeo", "juliet")]

    def walk(self, seed: int) -> None:
        self.dice = random.Random(seed)
        acts = [self.ask, self.ask, self.ask, self.whole, self.whole, self.cut, self.wait_a_while, self.delete,
                self.start_again, self.kill_while_receiving, self.kill_at_the_end]  # fmt: skip
        for _ in range(_STEPS):
            self.dice.choice(acts)()
            self.check()

    # What happens

    def ask(self) -> None:
        data = self.dice.randbytes(self.dice.randrange(1, 400))
        answered = self.answer(self.dice.choice(self.people), "a.bin", len(data), "image/png", "")
        if "<slot" in answered:
            put, get = (part.partition("'")[0].replace("&amp;", "&") for part in answered.split("url='")[1:])
            self.open[get] = (put, data)
        else:
            self.assertIn("resource-constraint", answered)

    def one(self) -> tuple[str, str, bytes] | None:
        if not self.open:
            return None
        get = self.dice.choice(sorted(self.open))
        return (get, *self.open[get])

    def whole(self) -> None:
        if (chosen := self.one()) is not None:
            get, put, data = chosen
            code = self.put(put, self.pieces(data)).code
            if code == 201:
                self.there[get] = data
                del self.open[get]
            else:  # it has ended
                self.assertIn(code, (403, 404))
                del self.open[get]

    def pieces(self, data: bytes) -> list[bytes]:
        at = self.dice.randrange(len(data) + 1)
        return [data[:at], data[at:]]

    def cut(self) -> None:
        if (chosen := self.one()) is not None:
            _, put, data = chosen
            part: list[bytes | Exception] = [data[: self.dice.randrange(len(data))], ConnectionError("gone")]
            self.assertNotEqual(self.put(put, part, len(data)).code, 201)

    def wait_a_while(self) -> None:
        self.clock.advance(self.dice.choice([1, 30, 100, 500]))
        self.pump(61)
        self.log_in()

    def delete(self) -> None:
        token = self.dice.choice(sorted(self.there) or [""])
        if token:
            account = next(row.account for row in self.rows() if row.token == token.split("/")[4])
            if account:
                self.operate("http_upload", "upload delete", account=account, token=token.split("/")[4])
                del self.there[token]

    def start_again(self) -> None:
        self.restart()
        self.log_in()

    def kill_while_receiving(self) -> None:
        if (chosen := self.one()) is not None:
            _, put, data = chosen

            def pieces() -> Iterator[bytes | Exception]:
                yield data[: len(data) // 2]
                self.kill()
                yield ConnectionError("gone")

            self.put(put, pieces(), len(data))
            self.log_in()

    def kill_at_the_end(self) -> None:
        """The file is in its place; whether that is written down, only the database knows."""
        if (chosen := self.one()) is not None:
            get, put, data = chosen
            request = request_of("PUT", put, content_type="image/png", content_length=str(len(data)))
            self.disk.stopped = True
            as_deferred(self.plugin("http_upload").put(request, PlayedBody(request, [data]))).addErrback(lambda _: None)
            if self.disk.waiting and self.dice.random() < 0.5:
                self.disk.let_unseen()
                self.there[get] = data
                del self.open[get]
            self.kill()
            self.log_in()

    # What has to be true

    def rows(self) -> list[Any]:
        with self.server.engines.read.connect() as connection:
            return list(connection.execute(select(FILES)).all())

    def check(self) -> None:
        rows = self.rows()
        live = [row for row in rows if row.state <= State.STORED]
        with self.server.engines.read.connect() as connection:
            counted = connection.execute(select(SERVICES.c.files, SERVICES.c.octets)).one()
        self.assertEqual(tuple(counted), (len(live), sum(row.size for row in live)))
        for account in {row.account for row in live}:
            self.assertLessEqual(sum(row.size for row in live if row.account == account), _QUOTA)
        ended = {row.token for row in rows if row.state > State.STORED}
        for get, data in list(self.there.items()):
            answer = self.get(get)
            if answer.code == 404:  # only because its time was over
                row = next((row for row in rows if row.token == get.split("/")[4]), None)
                self.assertTrue(row is None or row.token in ended or row.created_at + 864 <= self.clock.seconds(), row)
                del self.there[get]
            else:
                self.assertEqual(answer.body, data)
        for get in self.open:
            self.assertEqual(self.get(get).code, 404)
        stored = {row.token for row in rows if row.state in (State.STORED, State.GONE)}
        self.assertLessEqual({name.rpartition("/")[2] for name in self.files()}, stored)


def _add(seed: int) -> None:
    def test(self: Walks) -> None:
        self.walk(seed)

    setattr(Walks, f"test_{seed}", test)


for _seed in range(12):
    _add(_seed)
