"""Stanza errors (RFC 6120 section 8.3) and stream errors (section 4.9), as exceptions that are values too."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from twisted.words.xish import domish

from xmppd.wire import ns
from xmppd.wire.escape import escape_attribute, escape_text
from xmppd.wire.xml import serialise


class ErrorType(StrEnum):
    """What the sender of the stanza can do about the error (RFC 6120 section 8.3.2)."""

    AUTH = "auth"
    CANCEL = "cancel"
    CONTINUE = "continue"
    MODIFY = "modify"
    WAIT = "wait"


class Condition(StrEnum):
    """The defined conditions of stanza errors (RFC 6120 section 8.3.3); the value is the element's name."""

    BAD_REQUEST = "bad-request"
    CONFLICT = "conflict"
    FEATURE_NOT_IMPLEMENTED = "feature-not-implemented"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    ITEM_NOT_FOUND = "item-not-found"
    JID_MALFORMED = "jid-malformed"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_ALLOWED = "not-allowed"
    NOT_AUTHORIZED = "not-authorized"
    POLICY_VIOLATION = "policy-violation"
    RECIPIENT_UNAVAILABLE = "recipient-unavailable"
    REDIRECT = "redirect"
    REGISTRATION_REQUIRED = "registration-required"
    REMOTE_SERVER_NOT_FOUND = "remote-server-not-found"
    REMOTE_SERVER_TIMEOUT = "remote-server-timeout"
    RESOURCE_CONSTRAINT = "resource-constraint"
    SERVICE_UNAVAILABLE = "service-unavailable"
    SUBSCRIPTION_REQUIRED = "subscription-required"
    UNDEFINED_CONDITION = "undefined-condition"
    UNEXPECTED_REQUEST = "unexpected-request"


DEFAULT_TYPES = {
    Condition.BAD_REQUEST: ErrorType.MODIFY,
    Condition.CONFLICT: ErrorType.CANCEL,
    Condition.FEATURE_NOT_IMPLEMENTED: ErrorType.CANCEL,
    Condition.FORBIDDEN: ErrorType.AUTH,
    Condition.GONE: ErrorType.CANCEL,
    Condition.INTERNAL_SERVER_ERROR: ErrorType.CANCEL,
    Condition.ITEM_NOT_FOUND: ErrorType.CANCEL,
    Condition.JID_MALFORMED: ErrorType.MODIFY,
    Condition.NOT_ACCEPTABLE: ErrorType.MODIFY,
    Condition.NOT_ALLOWED: ErrorType.CANCEL,
    Condition.NOT_AUTHORIZED: ErrorType.AUTH,
    Condition.POLICY_VIOLATION: ErrorType.MODIFY,
    Condition.RECIPIENT_UNAVAILABLE: ErrorType.WAIT,
    Condition.REDIRECT: ErrorType.MODIFY,
    Condition.REGISTRATION_REQUIRED: ErrorType.AUTH,
    Condition.REMOTE_SERVER_NOT_FOUND: ErrorType.CANCEL,
    Condition.REMOTE_SERVER_TIMEOUT: ErrorType.WAIT,
    Condition.RESOURCE_CONSTRAINT: ErrorType.WAIT,
    Condition.SERVICE_UNAVAILABLE: ErrorType.CANCEL,
    Condition.SUBSCRIPTION_REQUIRED: ErrorType.AUTH,
    Condition.UNDEFINED_CONDITION: ErrorType.CANCEL,  # section 8.3.3.21 leaves it to the application
    Condition.UNEXPECTED_REQUEST: ErrorType.WAIT,
}


class StreamCondition(StrEnum):
    """The defined conditions of stream errors (RFC 6120 section 4.9.3); the value is the element's name."""

    BAD_FORMAT = "bad-format"
    BAD_NAMESPACE_PREFIX = "bad-namespace-prefix"
    CONFLICT = "conflict"
    CONNECTION_TIMEOUT = "connection-timeout"
    HOST_GONE = "host-gone"
    HOST_UNKNOWN = "host-unknown"
    IMPROPER_ADDRESSING = "improper-addressing"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    INVALID_FROM = "invalid-from"
    INVALID_NAMESPACE = "invalid-namespace"
    INVALID_XML = "invalid-xml"
    NOT_AUTHORIZED = "not-authorized"
    NOT_WELL_FORMED = "not-well-formed"
    POLICY_VIOLATION = "policy-violation"
    REMOTE_CONNECTION_FAILED = "remote-connection-failed"
    RESET = "reset"
    RESOURCE_CONSTRAINT = "resource-constraint"
    RESTRICTED_XML = "restricted-xml"
    SEE_OTHER_HOST = "see-other-host"
    SYSTEM_SHUTDOWN = "system-shutdown"
    UNDEFINED_CONDITION = "undefined-condition"
    UNSUPPORTED_ENCODING = "unsupported-encoding"
    UNSUPPORTED_FEATURE = "unsupported-feature"
    UNSUPPORTED_STANZA_TYPE = "unsupported-stanza-type"
    UNSUPPORTED_VERSION = "unsupported-version"


AppCondition = bytes | domish.Element | None
"""An application-specific condition (sections 4.9.4 and 8.3.4): one element, serialized or not."""


class StanzaError(Exception):
    """A stanza error (RFC 6120 section 8.3): raised by a handler, or read from a peer's error stanza.

    `condition` is a `Condition` (or its name), `type` an `ErrorType` (or its name) and defaults to the one
    the RFC associates with the condition. `text` is for people, in English. `app` is an application-specific
    condition in its own namespace. `by` is the address of the entity that reports the error. `address` is the
    new address that goes with the conditions `gone` and `redirect`, a URI. Raises ValueError for an unknown
    condition or type.
    """

    def __init__(
        self,
        condition: Condition | str,
        type: ErrorType | str | None = None,
        text: str | None = None,
        app: AppCondition = None,
        by: str | None = None,
        address: str | None = None,
    ) -> None:
        self.condition = Condition(condition)
        self.type = DEFAULT_TYPES[self.condition] if type is None else ErrorType(type)
        self.text = text
        self.app = app
        self.by = by
        self.address = address
        super().__init__(self.condition.value if text is None else f"{self.condition}: {text}")

    def to_bytes(self) -> bytes:
        """Return the `<error/>` element, to be put into a stanza of a stream's default namespace."""
        by = "" if self.by is None else f" by='{escape_attribute(self.by)}'"
        children = _children(self.condition, ns.STANZA_ERRORS, self.text, self.address, self.app)
        return b"<error type='%s'%s>%s</error>" % (self.type.encode(), by.encode(), children)

    @classmethod
    def from_element(cls, error: domish.Element) -> StanzaError:
        """Read the `<error/>` element of an error stanza.

        What a peer leaves out or invents is filled in rather than refused: an unknown condition is
        `undefined-condition` and an unknown type the default of the condition.
        """
        unknown = Condition.UNDEFINED_CONDITION
        condition, text, address, app = _read(error.children, ns.STANZA_ERRORS, Condition, unknown)
        type_ = error.attributes.get("type")
        known = type_ if type_ in ErrorType._value2member_map_ else None
        return cls(condition, known, text, app, error.attributes.get("by"), address)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StanzaError) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash((self.condition, self.type, self.text, self.by, self.address))

    def __repr__(self) -> str:
        return f"<StanzaError {self} ({self.type})>"


class StreamError(Exception):
    """A stream error (RFC 6120 section 4.9), after which the stream is closed.

    `condition` is a `StreamCondition` (or its name), `text` is for people, in English, `app` an
    application-specific condition in its own namespace; `address` is the host and port that goes with
    `see-other-host`. Raises ValueError for an unknown condition.
    """

    def __init__(
        self,
        condition: StreamCondition | str,
        text: str | None = None,
        app: AppCondition = None,
        address: str | None = None,
    ) -> None:
        self.condition = StreamCondition(condition)
        self.text = text
        self.app = app
        self.address = address
        super().__init__(self.condition.value if text is None else f"{self.condition}: {text}")

    def to_bytes(self) -> bytes:
        """Return the `<stream:error/>` element, for a stream whose header declared the prefix `stream`."""
        children = _children(self.condition, ns.STREAM_ERRORS, self.text, self.address, self.app)
        return b"<stream:error>%s</stream:error>" % children

    @classmethod
    def from_element(cls, error: domish.Element) -> StreamError:
        """Read a `<stream:error/>` element; an unknown condition is read as `undefined-condition`."""
        return cls.from_children(error.children)

    @classmethod
    def from_children(cls, children: Iterable[object]) -> StreamError:
        """Read what is inside a `<stream:error/>` element."""
        unknown = StreamCondition.UNDEFINED_CONDITION
        condition, text, address, app = _read(children, ns.STREAM_ERRORS, StreamCondition, unknown)
        return cls(condition, text, app, address)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamError) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash((self.condition, self.text, self.address))

    def __repr__(self) -> str:
        return f"<StreamError {self}>"


def _children(condition: StrEnum, namespace: str, text: str | None, address: str | None, app: AppCondition) -> bytes:
    if address is None:
        parts = [f"<{condition} xmlns='{namespace}'/>"]
    else:
        parts = [f"<{condition} xmlns='{namespace}'>{escape_text(address)}</{condition}>"]
    if text is not None:
        parts.append(f"<text xmlns='{namespace}' xml:lang='en'>{escape_text(text)}</text>")
    written = "".join(parts).encode()
    if app is None:
        return written
    return written + (app if isinstance(app, bytes) else serialise(app))


_C = TypeVar("_C", bound=StrEnum)


def _read(
    children: Iterable[object], namespace: str, conditions: type[_C], unknown: _C
) -> tuple[_C, str | None, str | None, domish.Element | None]:
    """Return (condition, text, address, application-specific condition) of an error element."""
    condition, text, address, app = unknown, None, None, None
    for child in children:
        if not isinstance(child, domish.Element):
            continue
        if child.uri != namespace:
            app = child
        elif child.name == "text":
            text = str(child)
        elif child.name in conditions._value2member_map_:
            condition = conditions(child.name)
            address = str(child) or None
    return condition, text, address, app
