"""No more clients are let in at a time than the server can serve within the time that they wait for an answer.

When a server comes back, all of its clients connect at once. If all were accepted, each would wait at each step of its
log-in for all the others, and those that wait for five seconds and then begin again would do so for ever. So while many
wait for something, connections are left where they are: with the system, which lets those that it has no room for try
again by itself (TCP sends the SYN anew), without a word to the program that waits for its connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import tcp

__all__ = ["Admission"]

#: Seconds until a port that was shut is looked at again.
_AGAIN = 0.01


class Admission:
    """Lets ports accept connections as long as not too many clients wait.

    :param call_later: the reactor's.
    :param busy: how many answers are being waited for, for those who want to come in.
    :param most: how many may be.
    """

    def __init__(self, call_later: Callable[..., Any], busy: Callable[[], int], most: int) -> None:
        self._call_later = call_later
        self._busy = busy
        self.most = most
        #: How often connections were left to wait.
        self.shut = 0

    def room(self, waiting: int) -> int:
        """Return how many connections may be accepted now.

        :param waiting: how many have come in and wait to be read.
        """
        return self.most - waiting - self._busy()

    def watch(self, port: tcp.Port, waiting: Callable[[], int]) -> None:
        """Let a port accept only as many as there is room for.

        :param waiting: how many that came by this port wait to be read.
        """
        accept = port.doRead

        def do_read() -> None:
            room = self.room(waiting())
            if room > 0:
                port.numberAccepts = min(room, max(port.numberAccepts, 1))
                accept()
            else:
                self.shut += 1
                port.stopReading()
                self._call_later(_AGAIN, look_again)

        def look_again() -> None:
            if port.connected:
                port.startReading()

        port.doRead = do_read  # type: ignore[method-assign]
