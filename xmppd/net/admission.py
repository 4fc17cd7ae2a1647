"""No more clients are let in at a time than the server can answer within the time that they wait.

When a server comes back, all of its clients connect at once. They share it step by step (:mod:`xmppd.net.newcomers`),
so that each step of a log-in takes as long as that step takes for all. That is well as long as it is less than the five
seconds after which a client gives up, and begins again, for ever. When it gets near that, connections are left where
they are: with the system, which has those that it has no room for try again by itself (TCP sends the SYN anew), without
a word to the program that waits for its connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import tcp

__all__ = ["Admission"]

#: Seconds that somebody who was let in may wait to be read while others are let in.
_LATE = 2.0
#: Seconds until a port that was shut is looked at again.
_AGAIN = 0.01


class Admission:
    """Lets ports accept connections as long as clients are answered in time.

    :param call_later: the reactor's.
    :param busy: how many wait for what is looked up or checked for them.
    :param most: how many may.
    """

    def __init__(self, call_later: Callable[..., Any], busy: Callable[[], int], most: int) -> None:
        self._call_later = call_later
        self._busy = busy
        self.most = most

    def watch(self, port: tcp.Port, late: Callable[[], float]) -> None:
        """Let a port accept nothing while those who came before wait for too long.

        :param late: how long the one whose turn is next has waited, in seconds.
        """
        accept = port.doRead

        def do_read() -> None:
            if late() < _LATE and self._busy() < self.most:
                accept()
            else:
                port.stopReading()
                self._call_later(_AGAIN, look_again)

        def look_again() -> None:
            if port.connected:
                port.startReading()

        port.doRead = do_read  # type: ignore[method-assign]
