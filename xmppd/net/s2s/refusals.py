"""Why streams with other servers don't come about, or end (RFC 6120 sections 4.9.3, 8.1)."""

from __future__ import annotations

from collections.abc import Collection

from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.stanza import Stanza

__all__ = ["NO_TLS", "Redirected", "Refused", "Superseded", "unproven"]

#: Why a stream was refused that can't be encrypted.
NO_TLS = "it does not offer TLS, which is required here"


class Refused(Exception):
    """A stream could not be negotiated; the text says why. Another place to connect to may do.

    :ivar lasting: will it be the same as long as nobody changes anything there or here?
    """

    def __init__(self, text: str, lasting: bool = False) -> None:
        super().__init__(text)
        self.lasting = lasting


class Superseded(Refused):
    """A stream isn't needed: the other side has made a connection at the same time, on which an older one goes on."""


class Redirected(Exception):
    """The other server is somewhere else (RFC 6120 4.9.3.19).

    :ivar address: ``HOST:PORT``, as it says.
    """

    def __init__(self, address: str) -> None:
        super().__init__(f"it is at {address}")
        self.address = address


def unproven(stanza: Stanza, proven: Collection[tuple[str, str]]) -> StreamError:
    """Return the error for a stanza between domains that its stream has not proven (RFC 6120 8.1.1.2, 8.1.2.2).

    :param proven: the pairs that it has: theirs, and ours.
    """
    from_, to = stanza.from_, stanza.to
    if not proven:
        return StreamError(StreamCondition.NOT_AUTHORIZED, "this stream has not proven any domain")
    if from_ is None or to is None:
        return StreamError(StreamCondition.IMPROPER_ADDRESSING, "a stanza between servers needs to and from")
    if all(remote != from_.domain for remote, _ in proven):
        return StreamError(StreamCondition.INVALID_FROM, f"this stream has not proven {from_.domain}")
    return StreamError(StreamCondition.HOST_UNKNOWN, f"this stream is not for {to.domain}")
