"""What somebody in a test has received, and the assertions about it."""

from __future__ import annotations

from collections.abc import MutableMapping

from twisted.trial.unittest import FailTest
from twisted.words.xish.domish import Element

from xmppd.testing.xml import Node, difference, pretty, read
from xmppd.wire import ns
from xmppd.wire.xml import parse

__all__ = ["Mailbox"]

_INDENT = "    "


class Mailbox:
    """Elements that came in and were not expected yet.

    :param known: the names of the test, for templates (see :mod:`xmppd.testing.xml`).
    :ivar name: what errors call it.
    :ivar received: everything that came since it was made or last cleared, as XML.
    """

    def __init__(self, known: MutableMapping[str, str], name: str) -> None:
        self._known = known
        self.name = name
        self.received: list[str] = []
        self._unread: list[str] = []

    def _arrived(self, xml: str) -> None:
        self.received.append(xml)
        self._unread.append(xml)

    def _settle(self) -> None:
        """Let what is due happen; overridden by what has a clock."""

    def _state(self) -> str:
        """Something to add to errors."""
        return ""

    def expect(self, *templates: str) -> None:
        """The next elements that came are these, in this order. A template may hold several elements.

        :raises AssertionError: if not; it shows both sides.
        """
        self._settle()
        for want in (node for template in templates for node in read(template)):
            if not self._unread:
                self._fail(want, "received nothing.")
            got = read(self._unread[0])[0]
            problem = difference(want, got, self._known)
            if problem is not None:
                more = "".join(f"\nthen\n{pretty(read(x)[0], _INDENT)}" for x in self._unread[1:4])
                self._fail(want, f"received\n{pretty(got, _INDENT)}{more}\nThe difference: {problem}.")
            del self._unread[0]

    def expect_all(self, *templates: str) -> None:
        """The next elements that came are these, in whatever order.

        :raises AssertionError: if not.
        """
        self._settle()
        for want in (node for template in templates for node in read(template)):
            problems = []
            for at, xml in enumerate(self._unread):
                problem = difference(want, read(xml)[0], self._known)
                if problem is None:
                    del self._unread[at]
                    break
                problems.append(f"{pretty(read(xml)[0], _INDENT)}\n{_INDENT}({problem})")
            else:
                self._fail(want, "received only\n" + "\n".join(problems) if problems else "received nothing.")

    def expect_nothing(self) -> None:
        """Nothing came that was not expected yet.

        :raises AssertionError: if something did.
        """
        self._settle()
        if self._unread:
            shown = "\n".join(pretty(read(xml)[0], _INDENT) for xml in self._unread)
            raise FailTest(f"{self.name} expected nothing, but received\n{shown}")

    def take(self) -> Element:
        """Return the next element that came, for a test to look at by itself. :raises AssertionError: if none did."""
        self._settle()
        if not self._unread:
            raise FailTest(f"{self.name} received nothing.{self._state()}")
        return parse(self._unread.pop(0).encode(), prefixes={"stream": ns.STREAM})[0]

    def clear(self) -> None:
        """Forget what came."""
        self._settle()
        self.received.clear()
        self._unread.clear()

    def _fail(self, want: Node, got: str) -> None:
        raise FailTest(f"{self.name} expected\n{pretty(want, _INDENT)}\nbut {got}{self._state()}")
