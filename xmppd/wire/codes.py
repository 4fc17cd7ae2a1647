"""Errors with the numbers that clients understand which are older than XMPP (XEP-0086)."""

from __future__ import annotations

from collections.abc import Mapping

from xmppd.wire import ns
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.stanza import Iq
from xmppd.wire.xml import tag

__all__ = ["CODES", "refusal"]

#: Section 3.
CODES: Mapping[Condition, int] = {
    Condition.BAD_REQUEST: 400,
    Condition.CONFLICT: 409,
    Condition.FEATURE_NOT_IMPLEMENTED: 501,
    Condition.FORBIDDEN: 403,
    Condition.GONE: 302,
    Condition.INTERNAL_SERVER_ERROR: 500,
    Condition.ITEM_NOT_FOUND: 404,
    Condition.JID_MALFORMED: 400,
    Condition.NOT_ACCEPTABLE: 406,
    Condition.NOT_ALLOWED: 405,
    Condition.NOT_AUTHORIZED: 401,
    Condition.RECIPIENT_UNAVAILABLE: 404,
    Condition.REDIRECT: 302,
    Condition.REGISTRATION_REQUIRED: 407,
    Condition.REMOTE_SERVER_NOT_FOUND: 404,
    Condition.REMOTE_SERVER_TIMEOUT: 504,
    Condition.RESOURCE_CONSTRAINT: 500,
    Condition.SERVICE_UNAVAILABLE: 503,
    Condition.SUBSCRIPTION_REQUIRED: 407,
    Condition.UNDEFINED_CONDITION: 500,
    Condition.UNEXPECTED_REQUEST: 400,
}


def refusal(request: Iq, error: StanzaError, instead: bytes = b"") -> Iq:
    """Return an error reply with the code, and without what was sent, which may hold a password.

    XEP-0077 section 3.3 and XEP-0078 section 3.1 want it so.

    :param instead: a query to send back.
    """
    content = tag(error.condition.value, xmlns=ns.STANZA_ERRORS)
    if error.text:
        content += tag("text", error.text, xmlns=ns.STANZA_ERRORS)
    payload = instead + tag("error", content, code=CODES.get(error.condition), type=error.type.value)
    return Iq(request.from_, request.to, request.id, "error", None, payload)
