"""Whatever comes to the door of BOSH gets an answer of BOSH; nobody else is hurt, and nothing is left behind."""

from __future__ import annotations

import random

from tests.net.bosh.test_session import BoshTestCase
from xmppd.testing.bosh import NS

#: What attributes may say, and more.
_VALUES = {
    "rid": ("1", "0", "-1", "x", "9007199254740991", "99999999999999999999", ""),
    "sid": ("x", "", "{sid}"),
    "to": ("example.org", "", "x", "\x7f", "a@b/c"),
    "wait": ("0", "60", "x"),
    "hold": ("0", "1", "9", "x"),
    "ver": ("1.6", "", "x.y"),
    "type": ("terminate", "error", "x"),
    "pause": ("1", "0", "x"),
    "ack": ("1", "0", "x", "99"),
    "key": ("a", ""),
    "newkey": ("a", ""),
    "content": ("text/html", "x"),
    "xmlns:stream": ("http://etherx.jabber.org/streams", "x"),
    "xmlns:xmpp": ("urn:xmpp:xbosh",),
    "xmpp:restart": ("true", "x"),
    "xmpp:version": ("1.0", "0.9", "x"),
    "xml:lang": ("en", ""),
    "from": ("a@b", "@", ""),
    "stream": ("x",),
    "route": ("xmpp:example.net:1",),
}
_CONTENTS = (
    "", "<message/>", "<message", "</body>", "<iq type='get'/>", "<stream:error/>", "<auth xmlns='x'/>", "text",
    "<![CDATA[x]]>", "<x:y/>", "<presence to='@'/>", "<a xmlns='urn:xmpp:sm:3' h='7'/>", "\x00", "&#0;", "<!-- -->",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='X'/>", "</stream:stream>",
)  # fmt: skip


class HostileTests(BoshTestCase):
    def anything(self, choice: random.Random, sid: str) -> bytes:
        """Return a request that may mean something."""
        names = choice.sample(sorted(_VALUES), choice.randrange(8))
        values = {name: choice.choice(_VALUES[name]).replace("{sid}", sid) for name in names}
        text = "".join(f" {name}='{value}'" for name, value in values.items())
        content = "".join(choice.choices(_CONTENTS, k=choice.choice((0, 0, 1, 1, 2))))
        data = f"<body xmlns='{NS}'{text}>{content}</body>".encode()
        if choice.random() < 0.2:
            at = choice.randrange(len(data))
            data = data[:at] + bytes(choice.choices(range(256), k=choice.randrange(4))) + data[at + 1 :]
        return data

    def test_anything(self) -> None:
        romeo, juliet = self.come("romeo@example.org/x"), self.come("juliet@example.org/y")
        choice = random.Random(7)
        for _ in range(400):
            code, _, body = self.ask(self.anything(choice, "nobody"))
            self.assertIn(code, (200, 400, 403, 404))
            self.assertTrue(code != 200 or body.startswith("<body "), body)
        romeo.send("<message to='{juliet}'/>")
        juliet.expect("<message from='{romeo}' to='{juliet}'/>")
        self.pump(250)
        assert self._listener is not None
        self.assertEqual(len(self._listener.streams), 2, "all that began has ended")

    def test_with_a_session(self) -> None:
        """Who has a session can do harm to it alone."""
        juliet = self.come("juliet@example.org/y")
        choice = random.Random(8)
        for number in range(40):
            client = self.come(f"romeo@example.org/{number}") if number % 2 else self.bosh()
            if not client.sid:
                client.open()
            client.polls = False
            for _ in range(10):
                client.rid += 1
                body = self.anything(choice, client.sid)
                if choice.random() < 0.7:
                    body = body.replace(b"<body", f"<body rid='{client.rid}' sid='{client.sid}'".encode(), 1)
                line = client.line()
                line.post(body, "/http-bind")
                self.pump()
            client.fade()
        self.pump(250)
        juliet.expect_open()
        self.assertEqual(len(self.host.all_sessions()), 1)
        assert self._listener is not None
        self.assertEqual(len(self._listener.streams), 1)
