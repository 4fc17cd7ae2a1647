"""Whatever happens in which order: who has missed something is told of it, and who has everything is left alone."""

from __future__ import annotations

from random import Random

from tests.plugins.push.kit import SERVICE, PushTestCase
from xmppd.testing import Client

PHONE = "juliet@example.org/phone"


class Walks(PushTestCase):
    """One phone; the test knows what it has missed.

    Each step is one of: a message comes, the phone loses its connection, resumes, logs in, logs out, acknowledges; time
    passes; the server is killed. The push service accepts, asks to wait, or says nothing.
    """

    config = {"push": {"max_errors": 1000, "acknowledge_seconds": 10.0}}

    def begin(self, random: Random) -> None:
        self.random = random
        self.phone: Client | None = None
        self.session_id = ""
        self.hibernates = False
        self.pending = self.missed = 0  # messages sent to it and not acknowledged; that it has not got
        self.told = True  # was anything published since it has missed something last?
        self.accepting = False
        self.taken = 0  # of what the service has received
        self.log_in()
        assert self.phone is not None
        self.enable(self.phone)

    # The phone

    def log_in(self) -> None:
        if self.phone is None and not self.hibernates:
            self.phone, self.session_id = self.enabled(PHONE, presence=True)
            self.has_everything()

    def resume(self) -> None:
        if self.hibernates:
            self.phone = self.resuming(PHONE, self.session_id, 0)
            came = self.phone.take()
            self.hibernates = False
            if came.name == "resumed":
                self.has_everything()
            else:
                self.phone.close()  # it was too long ago
                self.phone = None
                self.log_in()

    def has_everything(self) -> None:
        self.pump()
        self.acknowledge()
        self.missed, self.told = 0, True

    def acknowledge(self) -> None:
        if self.phone is not None:
            self.phone.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.sent(PHONE)}'/>")
            self.phone.clear()
            self.pending = 0

    def lose(self) -> None:
        if self.phone is not None:
            self.phone.disconnect()
            self.phone, self.hibernates = None, True
            self.miss(self.pending)
            self.pump()

    def log_out(self) -> None:
        if self.phone is not None:
            self.phone.close()
            self.phone = None
            self.miss(self.pending)
            self.pump()

    def miss(self, messages: int) -> None:
        if messages:
            self.missed, self.pending, self.told = self.missed + messages, 0, False

    # The world

    def hear(self) -> None:
        if self.phone is not None:
            self.pending += 1
        else:
            self.miss(1)
        self.say()

    def wait_a_bit(self) -> None:
        self.pump(self.random.choice((0.5, 2, 5)))

    def die(self) -> None:
        self.kill()
        if self.phone is not None:
            self.phone, self.hibernates = None, True
            self.miss(self.pending)
        self.service, self.romeo, self.taken = self.remote(SERVICE), self.remote("example.net"), 0
        self.pump(5)

    def serve(self) -> None:
        while len(self.service.received) > self.taken:
            self.taken += 1
            request = self.service.take()
            if request.name != "iq":
                continue
            self.told = True
            answer = 0.0 if self.accepting else self.random.random()
            if answer < 0.6:
                self.answer(request)
            elif answer < 0.8:
                self.answer(request, "resource-constraint", "wait")

    def walk(self, seed: int) -> None:
        self.begin(Random(seed))
        steps = (
            self.hear,
            self.hear,
            self.wait_a_bit,
            self.acknowledge,
            self.lose,
            self.resume,
            self.log_in,
            self.log_out,
        )
        for _ in range(25):
            self.random.choice((*steps, self.die) if self.random.random() < 0.3 else steps)()
            self.serve()
        self.acknowledge()
        self.accepting = True
        for _ in range(40):
            self.pump(5)
            self.serve()
        self.assertTrue(self.told, f"seed {seed}: {self.missed} missed")
        if not self.missed:
            self.assertFalse(self.entry.waiting, f"seed {seed}")


def _walk(seed: int) -> object:
    return lambda self: self.walk(seed)


for _seed in range(40):
    setattr(Walks, f"test_{_seed:02}", _walk(_seed))
