"""Clients that log in with SASL2 (XEP-0388), and ask for more in the same step."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from xmppd.testing import Client, ServerTestCase
from xmppd.wire import ns

__all__ = ["PHONE", "SM", "STANZAS", "Sasl2TestCase", "Scram", "authenticate", "bind", "encoded", "user_agent"]

SM = "urn:xmpp:sm:3"
STANZAS = ns.STANZA_ERRORS
#: A client's id, as it might have it.
PHONE = "d4565fa7-4d72-4749-b3d3-740edbf87770"


def encoded(data: str | bytes) -> str:
    """Base64."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def authenticate(user: str, password: str = "secret", more: str = "", authzid: str = "") -> str:
    """A request with PLAIN.

    :param more: elements for what is asked for inline.
    """
    message = encoded(f"{authzid}\0{user}\0{password}")
    return (
        f"<authenticate xmlns='{ns.SASL2}' mechanism='PLAIN'><initial-response>{message}</initial-response>"
        f"{more}</authenticate>"
    )


def user_agent(id: str = PHONE, software: str = "AwesomeXMPP", device: str = "Kiva&apos;s Phone") -> str:
    """What a client says of itself."""
    return f"<user-agent id='{id}'><software>{software}</software><device>{device}</device></user-agent>"


def bind(wishes: str = "", tag: str | None = "AwesomeXMPP") -> str:
    """A request to bind a resource."""
    named = "" if tag is None else f"<tag>{tag}</tag>"
    return f"<bind xmlns='{ns.BIND2}'>{named}{wishes}</bind>"


class Scram:
    """A client's side of SCRAM (RFC 5802).

    :param header: the GS2 header; `binding`: data of the channel binding that it names.
    """

    def __init__(self, hash: str, header: str = "n,,", binding: bytes = b"") -> None:
        self._hash, self._header, self._binding = hash, header, binding
        self._bare = "n=romeo,r=fyko+d2lbbFgONRv9qkxdawL"

    @property
    def first(self) -> str:
        """The client-first-message, encoded."""
        return encoded(self._header + self._bare)

    def final(self, challenge: str) -> str:
        """The client-final-message, encoded, in answer to the text of a challenge."""
        server_first = base64.b64decode(challenge).decode()
        nonce, salt, iterations = (part[2:] for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac(self._hash, b"secret", base64.b64decode(salt), int(iterations))
        key = hmac.digest(salted, b"Client Key", self._hash)
        unproven = f"c={encoded(self._header.encode() + self._binding)},r={nonce}"
        auth_message = f"{self._bare},{server_first},{unproven}".encode()
        signature = hmac.digest(hashlib.new(self._hash, key).digest(), auth_message, self._hash)
        self.verifier = "v=" + encoded(
            hmac.digest(hmac.digest(salted, b"Server Key", self._hash), auth_message, self._hash)
        )
        return encoded(unproven + ",p=" + encoded(bytes(a ^ b for a, b in zip(key, signature, strict=True))))


class Sasl2TestCase(ServerTestCase):
    """A server with an account, romeo@example.org, whose password is `secret`."""

    def setUp(self) -> None:
        super().setUp()
        self.account("romeo@example.org")

    def opened(self, **attributes: str) -> Client:
        """Return a client on a new stream."""
        client = self.connect()
        client.open(**attributes)
        return client

    def bound(self, more: str = "", wishes: str = "", tag: str | None = "AwesomeXMPP", answer: str = "") -> Client:
        """Return a client that has logged in and bound a resource.

        :param more: further elements of the request; `wishes`: those of ``<bind/>``.
        :param answer: what ``<bound/>`` holds.
        """
        client = self.opened()
        client.send(authenticate("romeo", more=more + bind(wishes, tag)))
        client.expect(
            f"<success xmlns='{ns.SASL2}'><authorization-identifier>{{any}}</authorization-identifier>"
            f"<bound xmlns='{ns.BIND2}'>{answer}</bound></success>",
            "<stream:features>{any}</stream:features>",
        )
        client.jid = re.findall("<authorization-identifier>([^<]+)<", client.received[-2])[0]
        return client

    def failed(self, client: Client, condition: str) -> None:
        """The client is told that it could not log in."""
        client.expect(f"<failure xmlns='{ns.SASL2}'><{condition} xmlns='{ns.SASL}'/>{{...}}</failure>")
