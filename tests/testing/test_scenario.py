"""Scenario files: what can stand in them, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path
from unittest import TestResult

from twisted.trial.unittest import SynchronousTestCase

from xmppd.testing.scenario import parse, scenario_tests

GOOD = """
# A comment
[plugins] ping
[hosts] example.org example.net
[config] limits.idle_ping_seconds = 60
Romeo is romeo@example.org/orchard
Juliet is juliet@example.net/balcony
other.example is a server
[components] "irc.example.org" = { name = "IRC" }
irc.example.org is a component
irc.example.org connects
irc.example.org sends:
    <message from='irc.example.org' to='irc.example.org'/>
irc.example.org receives:
    <message from='irc.example.org' to='irc.example.org'/>
irc.example.org closes the stream

Romeo connects and is available
Juliet connects
Romeo sends:
    <message to='{juliet}' id='{any}'>
      <body>hi</body>
    </message>
Juliet receives:
    <message from='{romeo}'>
      <body>hi</body>
    </message>
Romeo receives nothing
Romeo sends:
    <message to='nurse@other.example' id='1'/>
    <message to='nurse@other.example' id='2'/>
other.example receives in any order:
    <message from='{romeo}' id='2'/>
    <message from='{romeo}' id='1'/>
other.example sends:
    <message from='nurse@other.example' to='{romeo}' type='chat'><body>yes?</body></message>
Romeo receives:
    <message from='nurse@other.example' type='chat'><body>yes?</body></message>
after 2 minutes
Romeo forgets what came
Romeo loses the connection
Romeo connects
Juliet forgets what came
Juliet stops reading
Juliet reads on
Juliet closes the stream
the server restarts
Romeo is closed with system-shutdown
""".replace(" id='{any}'", "")

STREAMS = """
[plugins] ping
[hosts] example.org example.net
[admins] romeo@example.net
[host] mechanisms = ["PLAIN"]
[tls] yes
Romeo opens a stream over TLS
Romeo is offered:
    <stream:features>
      <mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>
      {...}
    </stream:features>
Romeo is romeo@example.org/orchard
Romeo sends:
    <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>
Romeo receives:
    <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
Romeo opens a stream
Romeo is offered:
    <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>{...}</stream:features>
Romeo closes the stream
Romeo opens a stream
Romeo is offered:
    <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>
"""


class Files(SynchronousTestCase):
    def play(self, text: str) -> str:
        """Return what went wrong, or "" if nothing did."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        (folder / "some-thing.txt").write_text(text, "utf-8")
        result = TestResult()
        scenario_tests(folder, __name__)("test_some_thing").run(result)
        return "".join(problem for _, problem in (*result.failures, *result.errors))

    def test_everything(self) -> None:
        self.assertEqual(self.play(GOOD), "")

    def test_streams(self) -> None:
        problem = self.play(STREAMS)
        self.assertIn("some-thing.txt:23: Romeo is offered:", problem)
        self.assertIn("there is a child <mechanisms", problem)
        self.assertEqual(self.play(STREAMS.replace("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "{any}")), "")

    def test_failure_names_the_line(self) -> None:
        problem = self.play(GOOD.replace("<body>hi</body>", "<body>ho</body>", 1))
        self.assertIn("some-thing.txt:24: Juliet receives:", problem)
        self.assertIn("message/body: the text is 'ho', not 'hi'", problem)

    def test_who_is_not_known(self) -> None:
        self.assertIn("Nurse has not connected", self.play("Nurse sends:\n  <presence/>\n"))
        self.assertIn("say first who that is", self.play("Nurse connects\n"))

    def test_unknown_lines(self) -> None:
        problem = self.play("Romeo is romeo@example.org/x\nRomeo connects\nRomeo dances\n")
        self.assertIn("nobody can do this: dances", problem)
        self.assertIn("line 3", problem)

    def test_unexpected_stanza(self) -> None:
        text = GOOD.replace("Romeo receives nothing", "Juliet receives nothing\nRomeo receives:\n  <x/>")
        self.assertIn("received nothing", self.play(text))

    def test_parsed(self) -> None:
        scenario = parse(GOOD, "x.txt")
        self.assertEqual((scenario.plugins, scenario.hosts), (("ping",), ("example.org", "example.net")))
        self.assertEqual(scenario.config, {"limits": {"idle_ping_seconds": 60}})
        self.assertEqual(scenario.steps[0].text, "Romeo is romeo@example.org/orchard")
        self.assertIsNone(parse("", "x.txt").plugins)
        streams = parse(STREAMS, "x.txt")
        self.assertEqual((streams.admins, streams.tls), (("romeo@example.net",), True))
        self.assertEqual(streams.host, {"mechanisms": ["PLAIN"]})
        self.assertIsNone(parse("[plugins] default", "x.txt").plugins)

    def test_mistakes_in_the_syntax(self) -> None:
        for text in ("  <x/>\n", "Romeo connects\n  <x/>\n", "[plugin] ping\n"):
            self.assertRaises(SyntaxError, parse, text, "x.txt")
