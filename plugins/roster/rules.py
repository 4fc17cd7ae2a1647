"""The states of a presence subscription and how they change: RFC 6121 appendix A, as data.

A state is seen from the roster's owner ("the user"). "Pending out": the user has asked to see the contact's presence;
"pending in": the contact has asked to see the user's. The tables have the order of the appendix.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from xmppd.api import Subscription

__all__ = [
    "INBOUND", "OUTBOUND", "PRE_APPROVED", "TYPES", "Inbound", "Outbound", "State", "farewells", "inbound", "outbound",
]  # fmt: skip

SUBSCRIBE = "subscribe"
UNSUBSCRIBE = "unsubscribe"
SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"

#: The types of presence that these rules are about.
TYPES = frozenset((SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBED, UNSUBSCRIBED))


class State(Enum):
    """Appendix A.1. The value: (subscription, pending out, pending in)."""

    NONE = (Subscription.NONE, False, False)
    NONE_OUT = (Subscription.NONE, True, False)
    NONE_IN = (Subscription.NONE, False, True)
    NONE_OUT_IN = (Subscription.NONE, True, True)
    TO = (Subscription.TO, False, False)
    TO_IN = (Subscription.TO, False, True)
    FROM = (Subscription.FROM, False, False)
    FROM_OUT = (Subscription.FROM, True, False)
    BOTH = (Subscription.BOTH, False, False)

    @property
    def subscription(self) -> Subscription:
        """Who is subscribed."""
        return self.value[0]

    @property
    def pending_out(self) -> bool:
        """Does the user wait for the contact's answer?"""
        return self.value[1]

    @property
    def pending_in(self) -> bool:
        """Does the contact wait for the user's answer?"""
        return self.value[2]

    @classmethod
    def of(cls, subscription: Subscription, pending_out: bool, pending_in: bool) -> State:
        """Return the state; "pending" is meaningless towards whom the subscription is there already."""
        pending_out = pending_out and subscription in (Subscription.NONE, Subscription.FROM)
        pending_in = pending_in and subscription in (Subscription.NONE, Subscription.TO)
        return cls((subscription, pending_out, pending_in))


class Outbound(NamedTuple):
    """What becomes of a stanza from the user to the contact.

    :ivar route: is it sent to the contact?
    :ivar state: the state afterwards.
    :ivar approved: what becomes of the mark of pre-approval (section 3.4): None leaves it as it is.
    """

    route: bool
    state: State
    approved: bool | None = None


class Inbound(NamedTuple):
    """What becomes of a stanza from the contact to the user.

    :ivar deliver: is it delivered to the user? A stanza that isn't is silently ignored, unless there is a reply.
    :ivar state: the state afterwards.
    :ivar reply: type of the presence that answers it on behalf of the user, or None.
    """

    deliver: bool
    state: State
    reply: str | None = None


_S = State
_YES, _NO = True, False

OUTBOUND: dict[str, dict[State, Outbound]] = {
    SUBSCRIBE: {  # A.2.1
        _S.NONE: Outbound(_YES, _S.NONE_OUT),
        _S.NONE_OUT: Outbound(_YES, _S.NONE_OUT),
        _S.NONE_IN: Outbound(_YES, _S.NONE_OUT_IN),
        _S.NONE_OUT_IN: Outbound(_YES, _S.NONE_OUT_IN),
        _S.TO: Outbound(_YES, _S.TO),
        _S.TO_IN: Outbound(_YES, _S.TO_IN),
        _S.FROM: Outbound(_YES, _S.FROM_OUT),
        _S.FROM_OUT: Outbound(_YES, _S.FROM_OUT),
        _S.BOTH: Outbound(_YES, _S.BOTH),
    },
    UNSUBSCRIBE: {  # A.2.2
        _S.NONE: Outbound(_YES, _S.NONE),
        _S.NONE_OUT: Outbound(_YES, _S.NONE),
        _S.NONE_IN: Outbound(_YES, _S.NONE_IN),
        _S.NONE_OUT_IN: Outbound(_YES, _S.NONE_IN),
        _S.TO: Outbound(_YES, _S.NONE),
        _S.TO_IN: Outbound(_YES, _S.NONE_IN),
        _S.FROM: Outbound(_YES, _S.FROM),
        _S.FROM_OUT: Outbound(_YES, _S.FROM),
        _S.BOTH: Outbound(_YES, _S.FROM),
    },
    SUBSCRIBED: {  # A.2.3; where nobody has asked yet, it is a pre-approval (3.4.2)
        _S.NONE: Outbound(_NO, _S.NONE, approved=True),
        _S.NONE_OUT: Outbound(_NO, _S.NONE_OUT, approved=True),
        _S.NONE_IN: Outbound(_YES, _S.FROM),
        _S.NONE_OUT_IN: Outbound(_YES, _S.FROM_OUT),
        _S.TO: Outbound(_NO, _S.TO, approved=True),
        _S.TO_IN: Outbound(_YES, _S.BOTH),
        _S.FROM: Outbound(_NO, _S.FROM),
        _S.FROM_OUT: Outbound(_NO, _S.FROM_OUT),
        _S.BOTH: Outbound(_NO, _S.BOTH),
    },
    UNSUBSCRIBED: {  # A.2.4; it also takes back a pre-approval (3.4.2)
        _S.NONE: Outbound(_NO, _S.NONE, approved=False),
        _S.NONE_OUT: Outbound(_NO, _S.NONE_OUT, approved=False),
        _S.NONE_IN: Outbound(_YES, _S.NONE, approved=False),
        _S.NONE_OUT_IN: Outbound(_YES, _S.NONE_OUT, approved=False),
        _S.TO: Outbound(_NO, _S.TO, approved=False),
        _S.TO_IN: Outbound(_YES, _S.TO, approved=False),
        _S.FROM: Outbound(_YES, _S.NONE, approved=False),
        _S.FROM_OUT: Outbound(_YES, _S.NONE_OUT, approved=False),
        _S.BOTH: Outbound(_YES, _S.TO, approved=False),
    },
}

INBOUND: dict[str, dict[State, Inbound]] = {
    SUBSCRIBE: {  # A.3.1
        _S.NONE: Inbound(_YES, _S.NONE_IN),
        _S.NONE_OUT: Inbound(_YES, _S.NONE_OUT_IN),
        _S.NONE_IN: Inbound(_NO, _S.NONE_IN),
        _S.NONE_OUT_IN: Inbound(_NO, _S.NONE_OUT_IN),
        _S.TO: Inbound(_YES, _S.TO_IN),
        _S.TO_IN: Inbound(_NO, _S.TO_IN),
        _S.FROM: Inbound(_NO, _S.FROM, SUBSCRIBED),
        _S.FROM_OUT: Inbound(_NO, _S.FROM_OUT, SUBSCRIBED),
        _S.BOTH: Inbound(_NO, _S.BOTH, SUBSCRIBED),
    },
    UNSUBSCRIBE: {  # A.3.2
        _S.NONE: Inbound(_NO, _S.NONE),
        _S.NONE_OUT: Inbound(_NO, _S.NONE_OUT),
        _S.NONE_IN: Inbound(_YES, _S.NONE),
        _S.NONE_OUT_IN: Inbound(_YES, _S.NONE_OUT),
        _S.TO: Inbound(_NO, _S.TO),
        _S.TO_IN: Inbound(_YES, _S.TO),
        _S.FROM: Inbound(_YES, _S.NONE),
        _S.FROM_OUT: Inbound(_YES, _S.NONE_OUT),
        _S.BOTH: Inbound(_YES, _S.TO),
    },
    SUBSCRIBED: {  # A.3.3
        _S.NONE: Inbound(_NO, _S.NONE),
        _S.NONE_OUT: Inbound(_YES, _S.TO),
        _S.NONE_IN: Inbound(_NO, _S.NONE_IN),
        _S.NONE_OUT_IN: Inbound(_YES, _S.TO_IN),
        _S.TO: Inbound(_NO, _S.TO),
        _S.TO_IN: Inbound(_NO, _S.TO_IN),
        _S.FROM: Inbound(_NO, _S.FROM),
        _S.FROM_OUT: Inbound(_YES, _S.BOTH),
        _S.BOTH: Inbound(_NO, _S.BOTH),
    },
    UNSUBSCRIBED: {  # A.3.4
        _S.NONE: Inbound(_NO, _S.NONE),
        _S.NONE_OUT: Inbound(_YES, _S.NONE),
        _S.NONE_IN: Inbound(_NO, _S.NONE_IN),
        _S.NONE_OUT_IN: Inbound(_YES, _S.NONE_IN),
        _S.TO: Inbound(_YES, _S.NONE),
        _S.TO_IN: Inbound(_YES, _S.NONE_IN),
        _S.FROM: Inbound(_NO, _S.FROM),
        _S.FROM_OUT: Inbound(_YES, _S.FROM),
        _S.BOTH: Inbound(_YES, _S.FROM),
    },
}

#: A.3.1 again, for a request the user approved in advance (3.4.2): the states in which there can be an approval.
PRE_APPROVED: dict[State, Inbound] = {
    _S.NONE: Inbound(_NO, _S.FROM, SUBSCRIBED),
    _S.NONE_OUT: Inbound(_NO, _S.FROM_OUT, SUBSCRIBED),
    _S.TO: Inbound(_NO, _S.BOTH, SUBSCRIBED),
}


def outbound(state: State, type_: str) -> Outbound:
    """Return what becomes of a subscription stanza that the user sends.

    :param type_: one of :data:`TYPES`.
    """
    return OUTBOUND[type_][state]


def inbound(state: State, type_: str, approved: bool = False) -> Inbound:
    """Return what becomes of a subscription stanza that the contact sent.

    :param type_: one of :data:`TYPES`.
    :param approved: has the user approved the contact's subscription in advance?
    """
    if approved and type_ == SUBSCRIBE and state in PRE_APPROVED:
        return PRE_APPROVED[state]
    return INBOUND[type_][state]


def farewells(state: State) -> tuple[str, ...]:
    """Return the types of presence that tell a contact it was removed from the roster (2.5.2).

    A request in either direction that is still open is taken back or denied as well.
    """
    types = []
    if state.subscription in (Subscription.TO, Subscription.BOTH) or state.pending_out:
        types.append(UNSUBSCRIBE)
    if state.subscription in (Subscription.FROM, Subscription.BOTH) or state.pending_in:
        types.append(UNSUBSCRIBED)
    return tuple(types)
