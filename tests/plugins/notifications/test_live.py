"""Notifications over the devices' own connections."""

from __future__ import annotations

from tests.plugins.notifications.kit import PING, NotificationCase

STANZA = (
    "<message type='headline' id='{id}' from='example.org'><subject>Sale</subject><body>From 9.</body>"
    "<payload xmlns='urn:xmpp:json-msg:0' datatype='urn:xmppd:notification:0'>{any}</payload>"
    "<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>"
    "<no-permanent-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/></message>"
)


class LiveTests(NotificationCase):
    def test_sent_and_confirmed(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        id = self.send("user:romeo@example.org")
        romeo.expect(STANZA, PING)
        self.assertEqual(self.counts(id), {"sent": 1})
        self.confirm(romeo, id)
        self.assertEqual(self.counts(id), {"delivered": 1})
        self.confirm(romeo, id, "<displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/>")
        self.assertEqual(self.counts(id), {"opened": 1})
        self.assertEqual(self.run_operation("notification show", id=id)["status"], "done")
