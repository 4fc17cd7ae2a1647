"""Everything a plugin may use, besides :mod:`xmppd.wire`. The only surface of xmppd that is kept stable."""

from __future__ import annotations

from xmppd.api.accounts import IAccounts
from xmppd.api.events.accounts import AccountCreated, AccountDeleted
from xmppd.api.events.network import ServerReachable, ServerUnreachable
from xmppd.api.events.sessions import (
    AvailabilityChanged,
    SessionBound,
    SessionEnded,
    SessionHibernates,
    SessionResumed,
    StreamUnreadable,
)
from xmppd.api.events.stanzas import FromClient, StanzaEvent, ToAccount, ToDevice, ToHost, Undeliverable
from xmppd.api.hooks import (
    UNANSWERED,
    Phase,
    Scope,
    Unanswered,
    bind_feature,
    bound_element,
    filter,
    iq_get,
    iq_set,
    nonza,
    observe,
    stream_feature,
)
from xmppd.api.interfaces import IClock, IDelayedCall, IHost, ISession, IStream
from xmppd.api.operations import FileText, IOperations, OperationError, Permission, Result, operation
from xmppd.api.options import Field, Options
from xmppd.api.plugin import Component, Plugin, need, use
from xmppd.api.roster import IRoster, IRosterView, RosterChanged, RosterItem, Subscription, SubscriptionApproved
from xmppd.api.storage import IDatabase, Migration, StorageUnavailable
from xmppd.api.verdicts import Bounce, Drop, Handled, Pass, Replace, Verdict
from xmppd.api.waiting import settled
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Iq, Message, Nonza, Presence, Stanza
from xmppd.wire.xml import Element, Payload, tag

HOST, ACCOUNT, OWN_ACCOUNT, STREAM = Scope.HOST, Scope.ACCOUNT, Scope.OWN_ACCOUNT, Scope.STREAM
NO_ACCOUNT = Scope.NO_ACCOUNT

__all__ = [
    "ACCOUNT", "HOST", "NO_ACCOUNT", "OWN_ACCOUNT", "STREAM", "UNANSWERED", "AccountCreated", "AccountDeleted",
    "AvailabilityChanged", "Bounce", "Component", "Condition", "Drop", "Element", "Field", "FileText", "FromClient",
    "Handled", "IAccounts", "IClock", "IDatabase", "IDelayedCall", "IHost", "IOperations", "IRoster", "IRosterView",
    "ISession", "IStream", "Iq", "Jid", "JidError", "Message", "Migration", "Nonza", "OperationError", "Options",
    "Pass", "Payload", "Permission", "Phase", "Plugin", "Presence", "Replace", "Result", "RosterChanged",
    "RosterItem", "Scope", "ServerReachable", "ServerUnreachable", "SessionBound", "SessionEnded",
    "SessionHibernates", "SessionResumed", "Stanza", "StanzaError", "StanzaEvent", "StorageUnavailable",
    "StreamCondition", "StreamError", "StreamUnreadable", "Subscription", "SubscriptionApproved", "ToAccount",
    "ToDevice", "ToHost", "Unanswered", "Undeliverable", "Verdict", "bind_feature", "bound_element", "filter",
    "iq_get", "iq_set", "need", "nonza", "observe", "operation", "settled", "stream_feature", "tag", "use",
]  # fmt: skip
