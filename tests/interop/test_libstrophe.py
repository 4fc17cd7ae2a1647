"""libstrophe, a library in C, logs in without SASL (XEP-0078) as it does where a server offers nothing else.

Debian's package ``libstrophe0`` comes with profanity; without it the tests are skipped.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import time
import unittest
from typing import Any

from tests.interop.server import DOMAIN, Xmppd

_TRUST_TLS, _LEGACY_AUTH = 1 << 3, 1 << 4
_CONNECTED = 0
_PATIENCE = 20.0
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class OldServer(Xmppd):
    """Without any mechanism of SASL that a client without a certificate could use."""

    of_host = 'plugins = ["legacy_auth"]\nmechanisms = ["EXTERNAL"]'


def library() -> Any:
    """Return libstrophe, or None."""
    name = ctypes.util.find_library("strophe")
    if name is None:
        return None
    lib = ctypes.CDLL(name)
    lib.xmpp_ctx_new.restype = lib.xmpp_conn_new.restype = ctypes.c_void_p
    return lib


class LibstropheTests(unittest.TestCase):
    lib: Any
    server: OldServer

    @classmethod
    def setUpClass(cls) -> None:
        cls.lib = library()
        if cls.lib is None:
            raise unittest.SkipTest("libstrophe is not there")
        cls.lib.xmpp_initialize()
        cls.server = OldServer()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        cls.server.add_user("old", "Calli0pe")

    def log_in(self, password: bytes) -> list[int]:
        """Try to log in; return the events there were."""
        lib, events = self.lib, list[int]()
        context = ctypes.c_void_p(lib.xmpp_ctx_new(None, None))
        connection = ctypes.c_void_p(lib.xmpp_conn_new(context))
        self.addCleanup(lib.xmpp_ctx_free, context)
        self.addCleanup(lib.xmpp_conn_release, connection)
        lib.xmpp_conn_set_flags(connection, _TRUST_TLS | _LEGACY_AUTH)
        lib.xmpp_conn_set_jid(connection, f"old@{DOMAIN}/phone".encode())
        lib.xmpp_conn_set_pass(connection, password)
        handler = self.handler = _HANDLER(lambda _connection, event, *_: events.append(event))
        lib.xmpp_connect_client(connection, b"127.0.0.1", self.server.c2s_port, handler, None)
        until = time.monotonic() + _PATIENCE
        while not events and time.monotonic() < until:
            lib.xmpp_run_once(context, 50)
        return events

    def test_logs_in(self) -> None:
        events = self.log_in(b"Calli0pe")
        self.assertEqual(events[:1], [_CONNECTED])
        self.assertIn(f"old@{DOMAIN}/phone", self.server.xmppctl("session", "list"))

    def test_wrong_password(self) -> None:
        events = self.log_in(b"wrong")
        self.assertEqual(len(events), 1)
        self.assertNotEqual(events[0], _CONNECTED)


if __name__ == "__main__":
    unittest.main()
