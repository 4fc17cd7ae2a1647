"""BOSH sessions from end to end, through the HTTP server (XEP-0124, XEP-0206)."""

from __future__ import annotations

from xmppd.testing import ServerTestCase


class MessageTests(ServerTestCase):
    plugins = ("roster", "presence")

    def test_message(self) -> None:
        romeo = self.login("romeo@example.org/x", over="bosh")
        juliet = self.login("juliet@example.org/y", presence=True)
        romeo.send("<message to='{juliet}'><body>hi</body></message>")
        juliet.expect("<message from='{romeo}' to='{juliet}'><body>hi</body></message>")
        juliet.send("<message to='{romeo}'><body>ho</body></message>")
        romeo.expect("<message from='{juliet}' to='{romeo}'><body>ho</body></message>")
        romeo.close()
        romeo.expect_closed()
