"""Clients of androidpn in their sessions: the reference's sections 1.5 to 1.8, and their traps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.plugins.androidpn.kit import ERRORS, JID, NAME, PLUGINS, SECRET, AndroidCase
from xmppd.api import Jid
from xmppd.testing import Client

OTHER = "1" * 32
ACCOUNT = Jid.parse(f"{NAME}@example.org")
NOTIFICATION = (
    "<iq type='set' id='{any}' from='example.org' to='{any}'><notification xmlns='androidpn:iq:notification'>"
    "<id>{any}</id><uuid>{any}</uuid><apiKey>1234567890</apiKey><title>Sale</title><message>Now</message><uri/><imageUrl/>"
    "</notification></iq>"
)
FENCE = "<iq type='get' id='{any}' from='example.org' to='{any}'><ping xmlns='urn:xmpp:ping'/></iq>"


class NotifiedCase(AndroidCase):
    def setUp(self) -> None:
        super().setUp()
        self.account(str(ACCOUNT), SECRET)

    def notify(self, to: str = f"user:{ACCOUNT}", **options: Any) -> str:
        """Send a notification; return its id."""
        sent = self.operate("notification send", to=to, title="Sale", body="Now", **options)
        self.pump(2)
        return str(sent["id"])

    def states(self, id: str) -> dict[str, int]:
        """Return how many devices are in which state, but for those in which none is."""
        return Counter(row["state"] for row in self.operate("notification recipients", id=id))

    def answers(self, client: Client) -> None:
        """Answer a ping as Smack does whatever it doesn't know: error 501, from whatever it was sent to."""
        ping = next(xml for xml in client._unread if "urn:xmpp:ping" in xml)
        id = ping.partition("id='")[2].partition("'")[0]
        error = f"<error code='501' type='CANCEL'><feature-not-implemented xmlns='{ERRORS}'/></error>"
        client.send(f"<iq id='{id}' to='example.org' from='{client.jid}' type='error'>{error}</iq>")


class DeliveryTests(NotifiedCase):
    def test_online(self) -> None:
        phone = self.phone()
        self.pump(2)
        self.notify()
        phone.expect(NOTIFICATION)
        phone.expect(FENCE)

    def test_presence_flush_after_delay(self) -> None:
        """It begins to listen only after log-in has returned: what comes at once is parsed and dropped."""
        self.notify()
        phone = self.phone()
        self.pump(0.9, step=0.1)
        phone.expect_nothing()
        self.pump(1.2, step=0.1)
        phone.expect(NOTIFICATION)

    def test_flush_once_a_session(self) -> None:
        """Further presence is no new arrival, and doesn't send everything again."""
        phone = self.phone()
        self.pump(2)
        self.notify()
        phone.clear()
        phone.send("<presence id='p2'><show>away</show></presence>")
        self.pump(2)
        self.assertFalse([xml for xml in phone._unread if "notification" in xml])

    def test_unconfirmed_resent_with_same_id(self) -> None:
        """A client that is lost before it has read gets it again when it comes back: the same, so that it can tell."""
        phone = self.phone()
        self.pump(2)
        self.notify()
        first = next(xml for xml in phone._unread if "androidpn:iq:notification" in xml)
        phone.disconnect()
        self.pump(30)
        again = self.phone()
        self.pump(3)
        self.assertIn(first, again._unread)

    def test_no_answer_is_no_failure(self) -> None:
        """Clients answer no notification, and nothing waits for that."""
        phone = self.phone()
        self.pump(2)
        id = self.notify()
        self.answers(phone)
        self.pump(120)
        phone.expect_open()
        self.assertEqual(self.states(id), {"reached": 1})

    def test_fence(self) -> None:
        """One reader parses all in order: the error 501 to a ping behind the notification shows that it was read."""
        phone = self.phone()
        self.pump(2)
        id = self.notify()
        self.assertEqual(self.states(id), {"sent": 1})
        self.answers(phone)
        self.pump(2)
        self.assertEqual(self.states(id), {"reached": 1})

    def test_every_device_of_the_account(self) -> None:
        """The original sent to one resource only, by name."""
        phones = [self.phone(), self.phone(resource="tablet")]
        self.told(phones[1], "settag", "androidpn:iq:settag", "<tag>x</tag>")
        self.pump(2)
        for phone in phones:
            phone.clear()
        self.notify()
        for phone in phones:
            phone.expect(NOTIFICATION)

    def test_others_get_messages(self) -> None:
        """A client that is none of androidpn's gets none of its IQs."""
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(2)
        self.notify("user:romeo@example.org")
        self.assertFalse([xml for xml in romeo._unread if "androidpn" in xml])
        self.assertTrue([xml for xml in romeo._unread if xml.startswith("<message")])


class ConfirmingTests(NotifiedCase):
    def confirmed(self, name: str, namespace: str, field: str = "uuid") -> dict[str, int]:
        phone = self.phone()
        self.pump(2)
        id = self.notify()
        phone.clear()
        self.told(phone, name, namespace, f"<{field}>{id}</{field}>")
        self.pump(2)
        phone.expect_nothing()  # no server of androidpn's ever answered
        return self.states(id)

    def test_deliverconfirm(self) -> None:
        self.assertEqual(self.confirmed("deliverconfirm", "androidpn:iq:deliverconfirm"), {"delivered": 1})

    def test_eisserver(self) -> None:
        self.assertEqual(self.confirmed("notification", "eisserver:iq:deliverconfirm"), {"delivered": 1})

    def test_receipt(self) -> None:
        self.assertEqual(self.confirmed("receipt", "androidpn:iq:receipt"), {"opened": 1})

    def test_by_id(self) -> None:
        """Either name of the id is taken."""
        self.assertEqual(self.confirmed("deliverconfirm", "androidpn:iq:deliverconfirm", "id"), {"delivered": 1})

    def test_same_stanza_id_twice(self) -> None:
        """One family uses one IQ for all it confirms: its id says nothing."""
        phone = self.phone()
        self.pump(2)
        ids = [self.notify(), self.notify()]
        for id in ids:
            self.told(phone, "deliverconfirm", "androidpn:iq:deliverconfirm", f"<uuid>{id}</uuid>")
        self.pump(2)
        self.assertEqual([self.states(id) for id in ids], [{"delivered": 1}] * 2)

    def test_confirm_from_another_user_is_ignored(self) -> None:
        self.phone()
        other = self.phone(OTHER)
        self.pump(2)
        id = self.notify()
        self.told(other, "deliverconfirm", "androidpn:iq:deliverconfirm", f"<uuid>{id}</uuid>")
        self.pump(2)
        self.assertEqual(self.states(id), {"sent": 1})
        other.expect_open()

    def test_which(self) -> None:
        phone = self.phone()
        self.told(phone, "deliverconfirm", "androidpn:iq:deliverconfirm", "")
        phone.expect("<iq type='error' id='x' from='{any}' to='{any}'>{...}</iq>")


class NamesTests(NotifiedCase):
    def reached(self, to: str) -> bool:
        """Is the phone in that audience?"""
        answer = self.operate("notification preview", to=to)
        return f"{NAME}@example.org" in str(answer)

    def test_alias(self) -> None:
        phone = self.phone()
        self.told(phone, "setalias", "androidpn:iq:setalias", f"<username>{NAME}</username> <alias>bob</alias>")
        self.pump(2)
        phone.expect_nothing()
        self.assertTrue(self.reached("alias:bob"))

    def test_alias_of_somebody_else(self) -> None:
        """The name in it is not believed: any client could take any alias for anybody."""
        phone = self.phone()
        self.account(f"{OTHER}@example.org")
        self.told(phone, "setalias", "androidpn:iq:setalias", f"<username>{OTHER}</username> <alias>bob</alias>")
        self.pump(2)
        self.assertTrue(self.reached("alias:bob"))

    def test_alias_goes_to_who_takes_it_last(self) -> None:
        phones = [self.phone(OTHER), self.phone()]
        for phone in phones:
            self.told(phone, "setalias", "androidpn:iq:setalias", "<alias>bob</alias>")
            self.pump(2)
        self.assertTrue(self.reached("alias:bob"))
        self.assertNotIn(OTHER, str(self.operate("notification preview", to="alias:bob")))

    def test_alias_survives_a_restart(self) -> None:
        self.told(self.phone(), "setalias", "androidpn:iq:setalias", "<alias>bob</alias>")
        self.pump(2)
        self.restart()
        self.assertTrue(self.reached("alias:bob"))

    def test_tags_replace(self) -> None:
        """They could only ever be added to: nobody could unsubscribe."""
        phone = self.phone()
        self.told(phone, "settags", "androidpn:iq:settags", "<tags>news,sport</tags>")
        self.pump(2)
        self.assertTrue(self.reached("tag:news and tag:sport"))
        self.told(phone, "settags", "androidpn:iq:settags", "<tags>sport</tags>")
        self.pump(2)
        self.assertFalse(self.reached("tag:news"))

    def test_no_tags(self) -> None:
        """Without a list, which made the original fail, there are none."""
        phone = self.phone()
        for inside in ("<tags>news</tags>", f"<username>{NAME}</username>"):
            self.told(phone, "settags", "androidpn:iq:settags", inside)
            self.pump(2)
        self.assertFalse(self.reached("tag:news"))
        phone.expect_nothing()

    def test_tag(self) -> None:
        """One more."""
        phone = self.phone()
        for tag in ("news", "sport"):
            self.told(phone, "settag", "androidpn:iq:settag", f"<tag>{tag}</tag>")
            self.pump(2)
        self.assertTrue(self.reached("tag:news and tag:sport"))

    def test_what_can_be_no_alias(self) -> None:
        phone = self.phone()
        self.told(phone, "setalias", "androidpn:iq:setalias", f"<alias>{'x' * 5000}</alias>")
        self.pump(2)
        phone.expect("<iq type='error' id='x' from='{any}' to='{any}'>{...}</iq>")


class AdditiveTests(NotifiedCase):
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {"androidpn": {"additive_tags": True, "answers": True}}

    def test_added_and_answered(self) -> None:
        phone = self.phone()
        for tag in ("news", "sport"):
            self.told(phone, "settags", "androidpn:iq:settags", f"<tags>{tag}</tags>")
            self.pump(2)
            phone.expect("<iq type='result' id='x' from='{any}' to='{any}'/>")
        self.assertIn(NAME, str(self.operate("notification preview", to="tag:news and tag:sport")))


class StreamTests(NotifiedCase):
    def test_unknown_iqs(self) -> None:
        """Those of apps built on androidpn: refused, and the stream goes on."""
        phone = self.phone()
        for name in ("groupmemberlist", "handlegrouprequest", "inquiry", "perference"):
            self.told(phone, name, f"androidpn:iq:{name}", "<group>1</group>")
            phone.expect(
                f"<iq type='error' id='x' from='{{any}}' to='{JID}'>{{any}}<error type='cancel'>"
                f"<service-unavailable xmlns='{ERRORS}'/></error></iq>"
            )
        phone.expect_open()

    def test_replace_session_then_close_old_socket(self) -> None:
        """The original then took the new session for gone, for it knew sessions by their name."""
        old = self.phone()
        new = self.phone()
        self.pump(2)
        old.disconnect()
        self.pump(10)
        self.assertEqual(len(self.host.all_sessions()), 1)
        self.notify()
        new.expect(NOTIFICATION)

    def test_whitespace_only_for_ten_minutes(self) -> None:
        """A space every 30 seconds is a sign of life: nothing is asked, and the session stays."""
        phone = self.phone()
        for _ in range(20):
            self.pump(30, step=5)
            phone.send_raw(" ")
        phone.expect_nothing()
        phone.expect_open()

    def test_silent_peer_is_probed(self) -> None:
        """Some builds send nothing at all: an error 501 to a ping, whoever it says it is from, is life enough."""
        phone = self.phone()
        for _ in range(3):
            self.pump(320, step=5)
            self.answers(phone)
            phone.clear()
        phone.expect_open()
        self.assertEqual(len(self.host.all_sessions()), 1)

    def test_silent_peer_is_reaped(self) -> None:
        """A half-open socket was online for ever."""
        phone = self.phone()
        self.pump(400, step=5)
        self.assertEqual(self.host.all_sessions(), ())
        self.assertTrue(phone.transport.disconnecting)

    def test_end_without_closing_tag(self) -> None:
        """shutdown without </stream:stream>: Smack takes it for an end it has asked for, and doesn't connect again."""
        phone = self.phone()
        listener, self._listener = self._listener, None
        assert listener is not None
        self.spawn(listener.drain())
        self.pump(3)
        self.wait(self.server.server.stop(), 10)
        phone.expect("<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>{...}</stream:error>")
        self.assertFalse(phone.ended)
        self.assertTrue(phone.transport.disconnecting)

    def test_closing_tag_is_answered(self) -> None:
        """Whoever has asked for the end gets it."""
        phone = self.phone()
        phone.send_raw("</stream:stream>")
        self.pump(6)
        self.assertTrue(phone.ended)

    def test_malformed_alias(self) -> None:
        """``Romeo & Juliet``: the stream ends; an account that does so again and again is slowed down."""
        for _ in range(3):
            phone = self.phone()
            phone.send_raw("<iq id='x' type='set'><setalias xmlns='androidpn:iq:setalias'><alias>R & J</alias> ")
            self.assertTrue(phone.transport.disconnecting)
            self.assertFalse(phone.ended)
        self.assertEqual([figure.value for figure in self.plugin("androidpn").figures()], [3])
        phone = self.phone(presence=False)
        phone.send("<iq id='roster' type='get'><query xmlns='jabber:iq:roster'/></iq>")
        self.pump(19)
        phone.expect_nothing()
        self.pump(2)
        phone.expect("<iq type='result' id='roster' to='{any}'>{any}</iq>")


class OptionTests(NotifiedCase):
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "androidpn": {"api_key": "k9", "settling_seconds": 4, "broken_streams": 1, "broken_delay_seconds": 5}
    }

    def test_api_key_and_settling(self) -> None:
        phone = self.phone()
        self.operate("notification send", to="all", title="Sale", body="Now")
        self.pump(3, step=0.1)
        phone.expect_nothing()
        self.pump(2, step=0.1)
        self.assertIn("<apiKey>k9</apiKey>", "".join(phone.received))

    def test_broken_streams(self) -> None:
        phone = self.phone()
        phone.send_raw("<iq id='x' type='set'><setalias xmlns='androidpn:iq:setalias'><alias>R & J</alias> ")
        phone = self.phone(presence=False)
        phone.send("<iq id='roster' type='get'><query xmlns='jabber:iq:roster'/></iq>")
        self.pump(4)
        phone.expect_nothing()
        self.pump(2)
        phone.expect("<iq type='result' id='roster' to='{any}'>{any}</iq>")


class NeedsTests(AndroidCase):
    plugins = tuple(name for name in PLUGINS if name != "register")

    def test_without_register(self) -> None:
        """Where nobody may register, those who have an account are served."""
        self.phone().expect_open()
