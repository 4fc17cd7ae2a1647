"""Stanza and stream errors: RFC 6120 sections 4.9 and 8.3."""

from __future__ import annotations

import unittest

from twisted.words.xish import domish

from xmppd.wire.errors import (
    DEFAULT_TYPES,
    Condition,
    ErrorType,
    StanzaError,
    StreamCondition,
    StreamError,
)

# RFC 6120 section 8.3.3, with the type each "error-type" sentence names first.
STANZA_CONDITIONS = """
    bad-request modify; conflict cancel; feature-not-implemented cancel; forbidden auth; gone cancel;
    internal-server-error cancel; item-not-found cancel; jid-malformed modify; not-acceptable modify;
    not-allowed cancel; not-authorized auth; policy-violation modify; recipient-unavailable wait;
    redirect modify; registration-required auth; remote-server-not-found cancel;
    remote-server-timeout wait; resource-constraint wait; service-unavailable cancel;
    subscription-required auth; undefined-condition cancel; unexpected-request wait
"""

STREAM_CONDITIONS = """
    bad-format bad-namespace-prefix conflict connection-timeout host-gone host-unknown improper-addressing
    internal-server-error invalid-from invalid-namespace invalid-xml not-authorized not-well-formed
    policy-violation remote-connection-failed reset resource-constraint restricted-xml see-other-host
    system-shutdown undefined-condition unsupported-encoding unsupported-feature unsupported-stanza-type
    unsupported-version
"""


def element(written: bytes) -> domish.Element:
    """Read one element, as a child of a client's stream."""
    found: list[domish.Element] = []
    stream = domish.elementStream()
    stream.DocumentStartEvent = lambda root: None
    stream.ElementEvent = found.append
    stream.DocumentEndEvent = lambda: None
    header = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    stream.parse(header + written + b"</stream:stream>")
    (one,) = found
    return one


class Tables(unittest.TestCase):
    def test_stanza_conditions_and_their_types(self) -> None:
        expected = dict(entry.split() for entry in STANZA_CONDITIONS.split(";"))
        self.assertEqual({str(c): str(DEFAULT_TYPES[c]) for c in Condition}, expected)

    def test_stream_conditions(self) -> None:
        self.assertEqual([str(c) for c in StreamCondition], STREAM_CONDITIONS.split())

    def test_every_stanza_condition_is_read_back(self) -> None:
        for condition in Condition:
            for type_ in ErrorType:
                with self.subTest(condition=condition, type=type_):
                    error = StanzaError(condition, type_, "why")
                    again = StanzaError.from_element(element(error.to_bytes()))
                    self.assertEqual(again, error)
                    self.assertEqual(hash(again), hash(error))

    def test_every_stream_condition_is_read_back(self) -> None:
        for condition in StreamCondition:
            with self.subTest(condition=condition):
                error = StreamError(condition, "why")
                self.assertEqual(StreamError.from_element(element(error.to_bytes())), error)


class StanzaErrors(unittest.TestCase):
    def test_smallest(self) -> None:
        self.assertEqual(
            StanzaError(Condition.ITEM_NOT_FOUND).to_bytes(),
            b"<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
        )

    def test_everything(self) -> None:
        app = b"<too-many-parameters xmlns='http://example.org/ns'/>"
        error = StanzaError("forbidden", "cancel", "no <way> & no\x00", app, "it's@example.org")
        self.assertEqual(
            error.to_bytes(),
            b"<error type='cancel' by='it&apos;s@example.org'>"
            b"<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            b"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>no &lt;way&gt; &amp; no\xef\xbf\xbd"
            b"</text><too-many-parameters xmlns='http://example.org/ns'/></error>",
        )

    def test_application_condition_as_element(self) -> None:
        app = domish.Element(("http://jabber.org/protocol/pubsub#errors", "item-required"))
        error = StanzaError(Condition.BAD_REQUEST, app=app)
        again = StanzaError.from_element(element(error.to_bytes()))
        assert isinstance(again.app, domish.Element)
        self.assertEqual((again.app.uri, again.app.name), (app.uri, "item-required"))

    def test_new_address(self) -> None:
        error = StanzaError(Condition.GONE, address="xmpp:romeo@afterlife.example.net?a&b")
        self.assertIn(b">xmpp:romeo@afterlife.example.net?a&amp;b</gone>", error.to_bytes())
        self.assertEqual(StanzaError.from_element(element(error.to_bytes())).address, error.address)

    def test_what_a_peer_leaves_out_or_invents(self) -> None:
        for written, condition, type_ in (
            (b"<error/>", "undefined-condition", "cancel"),
            (b"<error type='odd'>x<oops xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
             "undefined-condition", "cancel"),
            (b"<error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>", "conflict", "cancel"),
            (b"<error type='wait'><conflict xmlns='urn:x'/></error>", "undefined-condition", "wait"),
        ):  # fmt: skip
            with self.subTest(written=written):
                error = StanzaError.from_element(element(written))
                self.assertEqual((error.condition, error.type), (condition, type_))

    def test_made_up_conditions_are_refused(self) -> None:
        self.assertRaises(ValueError, StanzaError, "oops")
        self.assertRaises(ValueError, StanzaError, "conflict", "oops")
        self.assertRaises(ValueError, StreamError, "oops")

    def test_exceptions_and_values(self) -> None:
        with self.assertRaises(StanzaError) as caught:
            raise StanzaError(Condition.CONFLICT, text="taken")
        self.assertEqual(str(caught.exception), "conflict: taken")
        self.assertEqual(repr(caught.exception), "<StanzaError conflict: taken (cancel)>")
        self.assertEqual(caught.exception, StanzaError("conflict", "cancel", "taken"))
        self.assertNotEqual(caught.exception, StanzaError("conflict", "wait", "taken"))
        self.assertNotEqual(StanzaError("conflict"), StreamError("conflict"))


class StreamErrors(unittest.TestCase):
    def test_smallest(self) -> None:
        self.assertEqual(
            StreamError(StreamCondition.NOT_WELL_FORMED).to_bytes(),
            b"<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
        )

    def test_everything(self) -> None:
        error = StreamError("see-other-host", "moved", b"<a xmlns='urn:x'/>", "[2001:db8::1]:5222")
        self.assertEqual(
            error.to_bytes(),
            b"<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>[2001:db8::1]:5222"
            b"</see-other-host><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>moved</text>"
            b"<a xmlns='urn:x'/></stream:error>",
        )
        again = StreamError.from_element(element(error.to_bytes()))
        self.assertEqual((again.text, again.address), ("moved", "[2001:db8::1]:5222"))
        self.assertEqual(repr(again), "<StreamError see-other-host: moved>")

    def test_unknown_condition(self) -> None:
        written = b"<stream:error><oops xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
        error = StreamError.from_element(element(written))
        self.assertIs(error.condition, StreamCondition.UNDEFINED_CONDITION)
