"""Settings of BOSH, by which clients talk to the server in HTTP requests (XEP-0124)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from xmppd.core.settings.section import Section

__all__ = ["Bosh"]


class Bosh(Section):
    """Clients that talk to the server in HTTP requests (XEP-0124), at the path that `[http] bosh` names. Sessions count
    as client connections of `[limits]`. What is changed here holds for sessions that begin then."""

    wait_seconds: Annotated[int, Field(ge=1, le=3_600)] = 60
    """The longest that a request is kept waiting for something to answer with. Clients may ask for less."""
    hold: Annotated[int, Field(ge=1, le=10)] = 2
    """Requests of one session that are kept waiting at most; clients ask for how many, and may have one more than that
    under way."""
    inactivity_seconds: Annotated[int, Field(ge=5, le=3_600)] = 60
    """A session without a request under way for so long has lost its connection. Browsers make pages that nobody looks
    at wait up to a minute."""
    polling_seconds: Annotated[int, Field(ge=0, le=600)] = 5
    """The shortest time between two empty requests of a client that doesn't let the server keep any waiting. A faster
    one is cut off with `policy-violation`. 0: there is none."""
    polling_inactivity_seconds: Annotated[int, Field(ge=5, le=3_600)] = 180
    """What `inactivity_seconds` is for such clients; it is more than that and `polling_seconds` together in any
    case."""
    pause_seconds: Annotated[int, Field(ge=0, le=3_600)] = 120
    """How long a client may announce to be away without a request, while a page is loaded again. 0: not at all."""
    repeats: Annotated[int, Field(ge=1)] = 20
    """How often a client may repeat requests, in a row without a new one or five seconds in between, before it is cut
    off with `policy-violation`."""
    body_octets: Annotated[int, Field(ge=16_384)] = 524_288
    """Largest request. A larger one gets 413. Before login one may hold as much as a stanza may have then
    (`stanza_octets_before_auth` of `[limits]`)."""
    answer_octets: Annotated[int, Field(ge=16_384)] = 262_144
    """An answer with so many octets is not made any longer; the rest waits for the next request. Answers are kept until
    it is known that they have come."""
