"""What operators find in the log about rooms."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent

from tests.plugins.muc.coven import MUC, ROOM, CovenTestCase, joining


class Auditing(CovenTestCase):
    def test_who_has_done_what(self) -> None:
        with capturedLogs() as logs:
            self.create(persistentroom="1")
            self.affiliate("hag66", "outcast")
            self.affiliate("hag66", "none")
            hag = self.hag()
            self.enter(hag, "thirdwitch")
            hag.send(f"<message to='{ROOM}' type='groupchat'><body>a secret</body></message>")
            self.ask(self.crone, "set", f"{MUC}#owner", "<destroy/>")
            self.wait(self.server.server.operations.run("room create", {"room": ROOM, "owner": "hag66@example.org"}))
        lines = [formatEvent(event) for event in logs if event["log_namespace"] == "xmppd.plugins.muc"]
        self.assertEqual(
            lines,
            [
                f"crone1@example.org made {ROOM}",
                f"crone1@example.org set crone1@example.org to owner in {ROOM}",
                f"crone1@example.org configured {ROOM}",
                f"crone1@example.org set hag66@example.org to outcast in {ROOM}",
                f"crone1@example.org set hag66@example.org to none in {ROOM}",
                f"crone1@example.org ended {ROOM}",
                f"conference.example.org made {ROOM}",
                f"conference.example.org set hag66@example.org to owner in {ROOM}",
                f"conference.example.org configured {ROOM}",
            ],
        )

    def test_nobody_left(self) -> None:
        with capturedLogs() as logs:
            self.create()
            self.crone.send(f"<presence to='{ROOM}' type='unavailable'/>")
        self.assertIn(f"crone1@example.org ended {ROOM}", [formatEvent(event) for event in logs])

    def test_refused(self) -> None:
        self.create()
        hag = self.hag()
        with capturedLogs() as logs:
            hag.send(joining("firstwitch"))
            self.enter(hag, "thirdwitch")
            hag.send(
                f"<iq type='set' id='a' to='{ROOM}'><query xmlns='{MUC}#admin'>"
                "<item affiliation='outcast' jid='crone1@example.org'/></query></iq>"
            )
        self.assertEqual([event for event in logs if event["log_namespace"] == "xmppd.plugins.muc"], [])
