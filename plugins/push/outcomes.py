"""What the answer of a push service means: XEP-0357 section 7.1. A table.

The specification has a server take any error for the end of a registration, but lets it wait for more of them. An error
that says nothing of the app must not turn off its push.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from xmppd.api import Condition, StanzaError

__all__ = ["Meaning", "in_words", "meaning"]


class Meaning(Enum):
    """What an error is."""

    #: The app is gone: nothing is sent any more until it says that it is there.
    GONE = "gone"
    #: It passes, and does not count: try again.
    PASSING = "passing"
    #: Nobody is there to answer. It counts, and is tried again.
    UNREACHED = "unreached"
    #: The service doesn't want it. It counts; after so many in a row the registration is not used.
    COUNTED = "counted"


#: By condition; what is not here counts. What is of type wait passes, unless the app is gone.
_MEANINGS: Mapping[Condition, Meaning] = {
    Condition.ITEM_NOT_FOUND: Meaning.GONE,
    Condition.GONE: Meaning.GONE,
    Condition.REMOTE_SERVER_TIMEOUT: Meaning.PASSING,
    Condition.RESOURCE_CONSTRAINT: Meaning.PASSING,
    Condition.REMOTE_SERVER_NOT_FOUND: Meaning.UNREACHED,
    Condition.SERVICE_UNAVAILABLE: Meaning.UNREACHED,
}

_WORDS: Mapping[Condition, str] = {
    Condition.ITEM_NOT_FOUND: "the app is not there any more",
    Condition.GONE: "the app is not there any more",
    Condition.REMOTE_SERVER_TIMEOUT: "the push service did not answer, or its server can't be reached",
    Condition.REMOTE_SERVER_NOT_FOUND: "the server of the push service can't be found",
    Condition.RESOURCE_CONSTRAINT: "the push service has too much to do",
    Condition.SERVICE_UNAVAILABLE: "there is no push service at this address",
    Condition.FEATURE_NOT_IMPLEMENTED: "there is no push service at this address",
    Condition.FORBIDDEN: "the push service doesn't let this server publish",
    Condition.NOT_AUTHORIZED: "the push service wants another secret than the app gave",
    Condition.NOT_ALLOWED: "the push service doesn't take messages from this server",
    Condition.CONFLICT: "the push service wants other options than the app gave",
    Condition.POLICY_VIOLATION: "the push service refuses it: too much, or too often",
    Condition.INTERNAL_SERVER_ERROR: "the push service has failed",
}


def meaning(error: StanzaError) -> Meaning:
    """Return what an error means for a registration."""
    found = _MEANINGS.get(error.condition, Meaning.COUNTED)
    return Meaning.PASSING if error.type == "wait" and found is not Meaning.GONE else found


def in_words(error: StanzaError) -> str:
    """Say what went wrong, for the operator and the user."""
    said = _WORDS.get(error.condition, f"the push service refuses it ({error.condition.value})")
    return f"{said}: {error.text}" if error.text else said
