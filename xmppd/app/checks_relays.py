"""What ``xmppctl check`` says of STUN and TURN services: do they answer, and take our credentials? (XEP-0215, RFC 8656)

Unlike the server it waits for each of them, with plain sockets.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from xmppd.app.checks import Finding
from xmppd.core.options import SettingsError, validate_options
from xmppd.core.plugins.registry import wanted_names
from xmppd.core.plugins.sources import PluginError, find_sources
from xmppd.core.settings import Settings
from xmppd.wire.stun import Attribute, Kind, StunError, StunMessage, long_term_key, time_limited

__all__ = ["check_relays"]

_PLUGIN = "external_services"
_KINDS = ("stun", "turn", "stuns", "turns")
_UDP = bytes((17, 0, 0, 0))  # the transport between relay and peer (RFC 8656 section 18.8)
_VALID = 300  # seconds that the credentials are good for
_RESEND = 0.5  # seconds until a datagram is sent again, doubled each time
_SECONDS = 5.0
_OCTETS = 65_536


class _Silent(Exception):
    """No answer; the text says why."""


@dataclass
class _Talk:
    """Questions to one service, and its answers.

    :ivar connection: a datagram socket that is connected, or a stream.
    :ivar seconds: to wait for an answer.
    """

    connection: socket.socket
    seconds: float

    def ask(self, kind: Kind, attributes: Mapping[int, bytes], key: bytes = b"") -> StunMessage:
        """Return the answer to a request. Raises _Silent if none came, OSError, StunError."""
        request = StunMessage(kind, os.urandom(12), attributes)
        datagrams = self.connection.type == socket.SOCK_DGRAM
        end, wait, received = time.monotonic() + self.seconds, _RESEND, b""
        while (left := end - time.monotonic()) > 0:
            if not received and (datagrams or wait == _RESEND):
                self.connection.sendall(request.to_bytes(key))
            self.connection.settimeout(min(wait, left) if datagrams else left)
            wait *= 2
            with suppress(TimeoutError):
                data = self.connection.recv(_OCTETS)
                if not data and not datagrams:
                    raise _Silent("it closes the connection")
                received = data if datagrams else received + data
                answer = StunMessage.from_bytes(received)
                if answer is not None and answer.transaction == request.transaction:
                    return answer
                received = b"" if datagrams or answer is not None else received
        raise _Silent(f"no answer within {self.seconds:g} seconds")


def check_relays(
    settings: Settings, context: ssl.SSLContext | None = None, seconds: float = _SECONDS
) -> Iterator[Finding]:
    """Ask every service of every host, as clients do.

    :param context: whom to believe certificates; by default the authorities of the system.
    :param seconds: to wait for each answer.
    """
    for domain, options in _options(settings):
        for service in options.services:
            tls = service.type in ("stuns", "turns")
            # TLS over datagrams is not looked at.
            if service.type in _KINDS and not (tls and service.usual_transport != "tcp"):
                host, port = service.host or domain, service.usual_port
                subject = f"{service.type} {host}:{port}/{service.usual_transport}"
                try:
                    with _connected(host, port, service.usual_transport, seconds) as plain:
                        secured = (context or ssl.create_default_context()) if tls else None
                        connection = plain if secured is None else secured.wrap_socket(plain, server_hostname=host)
                        with connection:
                            yield _look_at(_Talk(connection, seconds), subject, service, options)
                except (_Silent, StunError, OSError) as error:
                    advice = "See that it runs, and that no firewall keeps others from it."
                    yield Finding("warning", subject, f"it can't be used: {_reason(error)}", advice)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed: {error.verify_message}"
    return (getattr(error, "strerror", None) if isinstance(error, OSError) else None) or str(error)


def _connected(host: str, port: int, transport: str, seconds: float) -> socket.socket:
    if transport == "tcp":
        return socket.create_connection((host, port), seconds)
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    connection = socket.socket(family, kind)
    connection.connect(address)
    return connection


def _look_at(talk: _Talk, subject: str, service: Any, options: Any) -> Finding:
    if service.type in ("stun", "stuns"):
        bound = talk.ask(Kind.BINDING, {}).kind == Kind.BOUND
        return Finding("ok" if bound else "warning", subject, "it answers" if bound else "it refuses to answer")
    attributes: dict[int, bytes] = {Attribute.REQUESTED_TRANSPORT: _UDP}
    first = talk.ask(Kind.ALLOCATE, attributes)
    if first.kind == Kind.ALLOCATED:
        talk.ask(Kind.REFRESH, {Attribute.LIFETIME: bytes(4)})
        return Finding(
            "error", subject, "it relays for everybody", "Have it ask for credentials: use-auth-secret for coturn."
        )
    if first.error[0] != 401:
        return _refused(subject, first)
    username, password = _credentials(service, options)
    realm = first.attributes.get(Attribute.REALM, b"")
    key = long_term_key(username, realm.decode("utf-8", "replace"), password)
    known: dict[int, bytes] = {
        Attribute.USERNAME: username.encode(),
        Attribute.REALM: realm,
        Attribute.NONCE: first.attributes.get(Attribute.NONCE, b""),
    }
    second = talk.ask(Kind.ALLOCATE, attributes | known, key)
    if second.kind != Kind.ALLOCATED:
        return _refused(subject, second)
    talk.ask(Kind.REFRESH, {Attribute.LIFETIME: bytes(4), **known}, key)
    return Finding("ok", subject, "it relays for those with our credentials")


def _refused(subject: str, answer: StunMessage) -> Finding:
    code, reason = answer.error
    level: Literal["error", "warning"] = "warning"
    advice = "Look into its log."
    if code == 401:
        level, advice = "error", "Is its secret the same as ours, and the time? See its log, and docs/calls.md."
    return Finding(level, subject, f"it refuses to relay for our users: {code} {reason}".rstrip(), advice)


def _credentials(service: Any, options: Any) -> tuple[str, str]:
    secret: bytes = service.shared(options.secret)
    if secret:
        return time_limited(secret, "xmppctl-check", int(time.time()) + _VALID)
    return service.username, service.password.get_secret_value()


def _options(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Yield the hosts that have the plugin, with its options."""
    with suppress(PluginError, SettingsError):  # of which there is another finding
        sources = find_sources(settings.server.plugin_paths)
        for domain, host in settings.hosts.items():
            if _PLUGIN in wanted_names(host.plugins, sources):
                plugin = next(source for source in sources if _PLUGIN in source.names()).load(_PLUGIN)
                yield domain, validate_options(plugin.Options, host.plugin_options.get(_PLUGIN, {}), _PLUGIN)
