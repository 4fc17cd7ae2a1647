"""Nothing stays in memory of BOSH sessions that are over, however they ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from tests.net import test_leaks
from tests.net.bosh.test_session import BoshTestCase
from xmppd.testing.bosh import BoshClient


class Leaks(BoshTestCase):
    def forget_clients(self) -> None:
        """Let go of what the test itself keeps, and let time pass until sessions have ended."""
        self.pump(70)
        for client in self._clients:
            client.transport.hang_up()
        self._clients.clear()
        self.names.clear()
        self.pump(10)

    def check(self, one: Callable[[int], object]) -> None:
        """Do something many times, and see that there is no more of anything than after a few times."""
        test_leaks.Leaks.check(cast(test_leaks.Leaks, self), one)

    def visit(self, number: int) -> BoshClient:
        client = self.come("romeo@example.org/orchard", presence=True)
        client.send("<message to='juliet@example.org' type='chat'><body>hi</body></message>")
        return client

    def test_leaving_in_good_order(self) -> None:
        self.check(lambda number: self.visit(number).close())

    def test_gone(self) -> None:
        self.check(lambda number: self.visit(number).fade())

    def test_cut_off(self) -> None:
        self.check(lambda number: self.visit(number).disconnect())

    def test_repeats(self) -> None:
        def one(number: int) -> None:
            client = self.visit(number)
            client.break_lines()
            client.resend_all()
            client.close()

        self.check(one)

    def test_never_logged_in(self) -> None:
        def one(number: int) -> None:
            client = self.bosh()
            client.open()
            client.fade()

        self.check(one)

    def test_nonsense(self) -> None:
        self.check(lambda number: self.ask(f"<body rid='1' x='&#xe4;' sid='{number}'>"))
