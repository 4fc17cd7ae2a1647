"""Tell systemd how the server is: sd_notify(3), for units of Type=notify, by its datagram socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from xmppd.api.interfaces import IClock, IDelayedCall


class Notifier:
    """Sends the state of the service to systemd; does nothing where systemd has not asked for it.

    :param environment: where NOTIFY_SOCKET and WATCHDOG_USEC are looked up; by default, the process's own.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watchdog = _microseconds(environment) / 1_000_000
        self._next: IDelayedCall | None = None

    def ready(self) -> None:
        """Say that starting, or reloading, is complete."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that settings are being read again; :meth:`ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service is ending, and stop answering the watchdog's question in advance."""
        self._send("STOPPING=1")
        if self._next is not None and self._next.active():
            self._next.cancel()

    def status(self, text: str) -> None:
        """Show one line of `text` in ``systemctl status``."""
        self._send("STATUS=" + text.replace("\n", "; "))

    def watch(self, clock: IClock) -> None:
        """If the unit has a watchdog, tell it twice per period that `clock` still turns."""
        if self._watchdog and self._address:
            self._send("WATCHDOG=1")
            self._next = clock.callLater(self._watchdog / 2, self.watch, clock)

    def _send(self, state: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A manager that has gone away, or whose queue is full, must not hold the server up.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.setblocking(False)
            datagrams.connect(address)
            datagrams.send(state.encode())


def _microseconds(environment: Mapping[str, str]) -> int:
    """Return the watchdog's period, 0 for none. WATCHDOG_PID says whom it is meant for."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    try:
        return int(environment.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return 0
