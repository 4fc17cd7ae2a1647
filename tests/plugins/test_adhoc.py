"""XEP-0050, by its sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from xmppd.api import FileText, Jid, OperationError, Permission, Plugin, need, operation
from xmppd.api.commands import Ask, Done, Filled, ICommands, Note, bad_payload
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.xml import tag

NS = "http://jabber.org/protocol/commands"
INFO, ITEMS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"
BAD = "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"


def form(title: str, *fields: bytes) -> bytes:
    return tag("x", tag("title", title), *fields, xmlns="jabber:x:data", type="form")


class Configure:
    """The command of the XEP's section 2.4.2: a service to choose, then its run level."""

    node, name = "config", "Configure Service"

    def allowed(self, requester: Jid) -> bool:
        return requester.local != "tybalt"

    async def step(self, requester: Jid, filled: Sequence[Filled]) -> Ask | Done:
        if not filled:
            return Ask(form("Configure Service", tag("field", var="service")), last=False)
        service = filled[0].get("service")
        if not service:
            raise bad_payload("which service?")
        if len(filled) == 1:
            return Ask(form(f"Configure {service[0]}", tag("field", var="state")))
        return Done([Note(f"Service '{service[0]}' has been configured.")])


class Commands(Plugin):
    """A command of its own, and operations."""

    commands = need(ICommands)

    async def start(self) -> None:
        self._command = Configure()
        self.commands.add(self._command, covers=("hidden",))

    async def stop(self) -> None:
        self.commands.remove(self._command)

    @operation("hidden", permission=Permission.USER)
    async def hidden(self) -> None:
        """Be covered by the command."""

    @operation("say", permission=Permission.USER)
    async def say(
        self,
        whom: Jid,
        text: str,
        count: int = 1,
        *,
        tone: Literal["soft", "loud"] = "soft",
        password: str | None = None,
        twice: bool = False,
        file: FileText | None = None,
    ) -> dict[str, object]:
        """Say something.

        :param whom: to whom
        """
        return {"whom": str(whom), "text": text, "count": count, "tone": tone, "twice": twice, "all": [1, 2]}

    @operation("table", permission=Permission.USER)
    async def table(self) -> list[dict[str, object]]:
        """List services."""
        return [{"service": "httpd", "on": True}, {"service": "postgresql", "on": False}]

    @operation("long", permission=Permission.USER)
    async def long(self) -> list[dict[str, object]]:
        """List very much."""
        return [{"n": n} for n in range(501)]

    @operation("nothing", permission=Permission.USER)
    async def nothing(self) -> None:
        """Do nothing."""

    @operation("fail", permission=Permission.USER)
    async def fail(self) -> None:
        """Fail."""
        raise OperationError("it can't be done")


class AdhocCase(ServerTestCase):
    plugins = ("disco", "adhoc", Commands)
    hosts = {"example.org": {"admins": ["bard@example.org"]}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def command(self, attributes: str, content: str = "", who: Client | None = None, to: str = "example.org") -> None:
        """Send a command request."""
        (who or self.romeo).send(
            f"<iq type='set' id='exec' to='{to}'><command xmlns='{NS}' {attributes}>{content}</command></iq>"
        )

    def submit(self, attributes: str, **values: str) -> None:
        """Send a filled-in form."""
        fields = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in values.items())
        self.command(attributes, f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>")

    def expect_command(self, attributes: str, content: str = "") -> None:
        self.romeo.expect(
            f"<iq type='result' id='exec' from='example.org' xml:lang='en'><command xmlns='{NS}' {attributes}>{content}"
            "</command></iq>"
        )

    def expect_error(self, type: str, condition: str, specific: str = "") -> None:
        app = f"<{specific} xmlns='{NS}'/>" if specific else ""
        self.romeo.expect(
            f"<iq type='error' id='exec' from='example.org'>{{...}}<error type='{type}'>"
            f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{app}{{...}}</error></iq>"
        )

    def begin(self) -> None:
        """Execute the command `config`; its session's id is {session} from now on."""
        self.command("node='config' action='execute'")
        self.expect_command(
            "node='config' sessionid='{session}' status='executing'",
            "<actions execute='next'><next/></actions>"
            "<x xmlns='jabber:x:data' type='form'><title>Configure Service</title><field var='service'/></x>",
        )

    def expect_second(self, service: str = "httpd") -> None:
        self.expect_command(
            "node='config' sessionid='{session}' status='executing'",
            "<actions execute='complete'><prev/><complete/></actions>"
            f"<x xmlns='jabber:x:data' type='form'><title>Configure {service}</title><field var='state'/></x>",
        )


class DiscoveryTests(AdhocCase):
    """Section 2."""

    def test_support(self) -> None:
        self.romeo.send(f"<iq type='get' id='1' to='example.org'><query xmlns='{INFO}'/></iq>")
        self.romeo.expect(f"<iq type='result' id='1'><query xmlns='{INFO}'>{{...}}<feature var='{NS}'/></query></iq>")

    def items(self, who: Client) -> list[tuple[str, str]]:
        who.send(f"<iq type='get' id='1' to='example.org'><query xmlns='{ITEMS}' node='{NS}'/></iq>")
        items = list(who.take().firstChildElement().elements())
        self.assertEqual({item["jid"] for item in items}, {"example.org"})
        return [(item["node"], item["name"]) for item in items]

    def test_the_list_is_what_one_may_execute(self) -> None:
        self.assertEqual(
            self.items(self.romeo),
            [
                ("config", "Configure Service"),
                ("xmppd#nothing", "Do nothing"),
                ("xmppd#fail", "Fail"),
                ("xmppd#table", "List services"),
                ("xmppd#long", "List very much"),
                ("xmppd#say", "Say something"),
            ],
        )

    def test_administrators_see_more(self) -> None:
        nodes = [node for node, _ in self.items(self.login("bard@example.org/globe"))]
        self.assertIn("xmppd#user add", nodes)
        self.assertNotIn("xmppd#server stop", nodes)

    def test_strangers_see_what_is_for_everybody(self) -> None:
        remote = self.remote("other.example")
        remote.send(
            f"<iq type='get' id='1' from='mallory@other.example/x' to='example.org'><query xmlns='{ITEMS}'"
            f" node='{NS}'/></iq>"
        )
        nodes = [item["node"] for item in remote.take().firstChildElement().elements()]
        self.assertEqual(nodes, ["config"])

    def test_a_command(self) -> None:
        self.romeo.send(f"<iq type='get' id='1' to='example.org'><query xmlns='{INFO}' node='config'/></iq>")
        self.romeo.expect(
            f"<iq type='result' id='1'><query xmlns='{INFO}' node='config'>"
            "<identity name='Configure Service' category='automation' type='command-node'/>"
            f"<feature var='{NS}'/><feature var='{INFO}'/><feature var='jabber:x:data'/></query></iq>"
        )

    def test_the_list_itself(self) -> None:
        self.romeo.send(f"<iq type='get' id='1' to='example.org'><query xmlns='{INFO}' node='{NS}'/></iq>")
        self.romeo.expect(
            f"<iq type='result' id='1'><query xmlns='{INFO}' node='{NS}'>"
            "<identity name='Commands' category='automation' type='command-list'/>{...}</query></iq>"
        )

    def test_a_command_one_may_not_execute(self) -> None:
        self.romeo.send(f"<iq type='get' id='1' to='example.org'><query xmlns='{INFO}' node='xmppd#user add'/></iq>")
        self.romeo.expect(
            "<iq type='error' id='1'>{...}<error type='auth'>"
            "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        self.romeo.send(f"<iq type='get' id='2' to='example.org'><query xmlns='{INFO}' node='xmppd#no such'/></iq>")
        self.romeo.expect(
            "<iq type='error' id='2'>{...}<error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )


class StagesTests(AdhocCase):
    """Section 2.4."""

    def test_onward_to_the_end(self) -> None:
        """XEP-0050, examples 10 to 15."""
        self.begin()
        self.submit("node='config' sessionid='{session}'", service="httpd")
        self.expect_second()
        self.submit("node='config' sessionid='{session}'", state="on")
        self.expect_command(
            "node='config' sessionid='{session}' status='completed'",
            "<note type='info'>Service 'httpd' has been configured.</note>",
        )

    def test_back(self) -> None:
        """XEP-0050, examples 16 and 17."""
        self.begin()
        self.submit("node='config' sessionid='{session}' action='next'", service="httpd")
        self.expect_second()
        self.command("node='config' sessionid='{session}' action='prev'")
        self.expect_command(
            "node='config' sessionid='{session}' status='executing'", "<actions execute='next'><next/></actions>{...}"
        )
        self.submit("node='config' sessionid='{session}' action='next'", service="jabberd")
        self.expect_second("jabberd")
        self.submit("node='config' sessionid='{session}' action='complete'", state="on")
        self.expect_command("{...}".replace("{...}", "node='config' sessionid='{session}' status='completed'"), "{any}")

    def test_cancel(self) -> None:
        self.begin()
        self.command("node='config' sessionid='{session}' action='cancel'")
        self.expect_command("node='config' sessionid='{session}' status='canceled'")
        self.submit("node='config' sessionid='{session}'", service="httpd")
        self.expect_error("cancel", "not-allowed", "session-expired")

    def test_actions_that_are_not_on_offer(self) -> None:
        self.begin()
        for action in ("prev", "complete"):
            self.command(f"node='config' sessionid='{{session}}' action='{action}'")
            self.expect_error("modify", "bad-request", "bad-action")
        self.submit("node='config' sessionid='{session}'", service="httpd")
        self.expect_second()
        self.command("node='config' sessionid='{session}' action='next'")
        self.expect_error("modify", "bad-request", "bad-action")

    def test_a_command_begins_with_execute(self) -> None:
        for action in ("next", "prev", "complete", "cancel"):
            self.command(f"node='config' action='{action}'")
            self.expect_error("modify", "bad-request", "bad-action")

    def test_two_executions_at_a_time(self) -> None:
        self.begin()
        self.names["first"] = self.names["session"]
        del self.names["session"]
        self.begin()
        self.assertNotEqual(self.names["first"], self.names["session"])
        self.submit("node='config' sessionid='{first}'", service="httpd")
        self.romeo.expect(f"<iq type='result'><command xmlns='{NS}' node='config' sessionid='{{first}}' "
                          "status='executing'>{any}</command></iq>")  # fmt: skip

    def test_a_cancelled_form_is_a_submitted_one(self) -> None:
        self.begin()
        self.command(
            "node='config' sessionid='{session}'",
            "<x xmlns='jabber:x:data' type='cancel'><field var='service'><value>httpd</value></field></x>",
        )
        self.expect_second()


class ErrorTests(AdhocCase):
    """Section 4.4, in its order."""

    def test_malformed_action(self) -> None:
        self.command("node='config' action='dance'")
        self.expect_error("modify", "bad-request", "malformed-action")

    def test_bad_locale(self) -> None:
        """XEP-0050, examples 20 to 23."""
        french = (
            f"<iq type='set' id='exec' to='example.org' xml:lang='fr-ca'><command xmlns='{NS}' node='config'/></iq>"
        )
        self.romeo.send(french)
        self.expect_command("node='config' sessionid='{any}' status='executing'", "{any}")
        self.wait(self.host.registry.reconfigure("adhoc", {"only_english": True}))
        self.romeo.send(french)
        self.expect_error("modify", "bad-request", "bad-locale")
        self.command("node='config' xml:lang='de'")
        self.expect_error("modify", "bad-request", "bad-locale")
        self.command("node='config' xml:lang='en-GB'")
        self.expect_command("node='config' sessionid='{any}' status='executing'", "{any}")

    def test_bad_payload(self) -> None:
        self.begin()
        self.submit("node='config' sessionid='{session}'", other="httpd")
        self.expect_error("modify", "bad-request", "bad-payload")
        for bad in (
            "<x xmlns='jabber:x:data' type='form'/>",
            "<x xmlns='jabber:x:data' type='submit'><field var='a'/><field var='a'/></x>",
        ):
            self.command("node='config' sessionid='{session}'", bad)
            self.expect_error("modify", "bad-request", "bad-payload")
        self.submit("node='config' sessionid='{session}'", service="httpd")
        self.expect_second()

    def test_bad_sessionid(self) -> None:
        self.begin()
        self.submit("node='config' sessionid='other'", service="httpd")
        self.expect_error("modify", "bad-request", "bad-sessionid")
        self.submit("node='config' sessionid=''", service="httpd")
        self.expect_error("modify", "bad-request", "bad-sessionid")
        self.submit("node='xmppd#say' sessionid='{session}'", service="httpd")
        self.expect_error("modify", "bad-request", "bad-sessionid")

    def test_somebody_elses_session(self) -> None:
        self.begin()
        juliet = self.login("juliet@example.org/balcony")
        self.command("node='config' sessionid='{session}' action='cancel'", who=juliet)
        juliet.expect(
            f"<iq type='error'>{{...}}<error type='modify'>{BAD}<bad-sessionid xmlns='{NS}'/>{{...}}</error></iq>"
        )

    def test_forbidden(self) -> None:
        self.command("node='xmppd#user list'")
        self.expect_error("cancel", "forbidden")

    def test_item_not_found(self) -> None:
        for node in ("none", "xmppd#none", "user add"):
            self.command(f"node='{node}'")
            self.expect_error("cancel", "item-not-found")

    def test_without_a_node(self) -> None:
        self.command("action='execute'")
        self.expect_error("modify", "bad-request")


class LimitTests(AdhocCase):
    config = {"adhoc": {"sessions_per_account": 2, "sessions": 3, "session_seconds": 10}}

    def test_session_expired(self) -> None:
        self.begin()
        self.pump(9)
        self.command("node='config' sessionid='{session}' action='prev'")  # touches it
        self.expect_error("modify", "bad-request", "bad-action")
        self.pump(10)
        self.submit("node='config' sessionid='{session}'", service="httpd")
        self.expect_error("cancel", "not-allowed", "session-expired")

    def test_one_account(self) -> None:
        self.begin()
        self.names["first"] = self.names.pop("session")
        self.begin()
        del self.names["session"]
        self.begin()
        self.submit("node='config' sessionid='{first}'", service="httpd")
        self.expect_error("cancel", "not-allowed", "session-expired")

    def test_all_accounts(self) -> None:
        for user in ("a", "b", "c"):
            self.command("node='config'", who=self.login(f"{user}@example.org/x"))
        self.command("node='config'")
        self.expect_error("wait", "resource-constraint")
        self.pump(10)
        self.begin()

    def test_who_leaves_leaves_nothing(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        self.command("node='config'", who=juliet)
        self.assertEqual(len(self.plugin("adhoc")._sessions), 1)
        juliet.close()
        self.assertEqual(len(self.plugin("adhoc")._sessions), 0)


class OperationTests(AdhocCase):
    """Operations as commands."""

    def test_a_form_made_from_parameters(self) -> None:
        self.command("node='xmppd#say'")
        self.expect_command(
            "node='xmppd#say' sessionid='{session}' status='executing'",
            "<actions execute='complete'><complete/></actions><x xmlns='jabber:x:data' type='form'>"
            "<title>say</title><instructions>Say something.</instructions>"
            "<field type='jid-single' var='whom' label='to whom'><required/></field>"
            "<field type='text-multi' var='text' label='text'><required/></field>"
            "<field type='text-single' var='count' label='count'><value>1</value></field>"
            "<field type='list-single' var='tone' label='tone'><value>soft</value>"
            "<option><value>soft</value></option><option><value>loud</value></option></field>"
            "<field type='text-private' var='password' label='password'/>"
            "<field type='boolean' var='twice' label='twice'><value>false</value></field>"
            "<field type='text-multi' var='file' label='file'/></x>",
        )
        self.command(
            "node='xmppd#say' sessionid='{session}'",
            "<x xmlns='jabber:x:data' type='submit'><field var='whom'><value>Juliet@example.org</value></field>"
            "<field var='text'><value>a</value><value>b</value></field><field var='count'><value>2</value></field>"
            "<field var='tone'><value>loud</value></field><field var='twice'><value>1</value></field></x>",
        )
        self.expect_command(
            "node='xmppd#say' sessionid='{session}' status='completed'",
            "<x xmlns='jabber:x:data' type='result'><title>say</title>"
            "<field var='whom' label='whom'><value>juliet@example.org</value></field>"
            "<field var='text' label='text'><value>a\nb</value></field>"
            "<field var='count' label='count'><value>2</value></field>"
            "<field var='tone' label='tone'><value>loud</value></field>"
            "<field var='twice' label='twice'><value>true</value></field>"
            "<field var='all' label='all' type='text-multi'><value>1</value><value>2</value></field></x>",
        )

    def test_values_that_are_none(self) -> None:
        self.command("node='xmppd#say'")
        self.expect_command("node='xmppd#say' sessionid='{session}' status='executing'", "{any}")
        good = {"whom": "juliet@example.org", "text": "hi"}
        for bad in ({"whom": "@"}, {"text": ""}, {"count": "many"}, {"tone": "shrill"}, {"twice": "perhaps"}):
            self.submit("node='xmppd#say' sessionid='{session}'", **{**good, **bad})
            self.expect_error("modify", "bad-request", "bad-payload")

    def test_a_table(self) -> None:
        self.command("node='xmppd#table'")
        self.expect_command(
            "node='xmppd#table' sessionid='{any}' status='completed'",
            "<x xmlns='jabber:x:data' type='result'><title>table</title>"
            "<reported><field var='service' label='service'/><field var='on' label='on'/></reported>"
            "<item><field var='service'><value>httpd</value></field><field var='on'><value>true</value></field></item>"
            "<item><field var='service'><value>postgresql</value></field><field var='on'><value>false</value></field>"
            "</item></x>",
        )

    def test_a_long_table_is_cut(self) -> None:
        self.command("node='xmppd#long'")
        answer = self.romeo.received[-1]
        self.assertIn("<note type='warn'>Only the first 500 of 501 are shown.</note>", answer)
        self.assertEqual(answer.count("<item>"), 500)
        self.romeo.clear()

    def test_nothing_to_show(self) -> None:
        self.command("node='xmppd#nothing'")
        self.expect_command(
            "node='xmppd#nothing' sessionid='{any}' status='completed'", "<note type='info'>Done.</note>"
        )

    def test_failure_is_a_note(self) -> None:
        self.command("node='xmppd#fail'")
        self.expect_command(
            "node='xmppd#fail' sessionid='{any}' status='completed'", "<note type='error'>it can't be done</note>"
        )

    def test_a_session_is_over_with_the_result(self) -> None:
        self.command("node='xmppd#nothing'")
        self.expect_command("node='xmppd#nothing' sessionid='{session}' status='completed'", "{any}")
        self.command("node='xmppd#nothing' sessionid='{session}' action='cancel'")
        self.expect_error("cancel", "not-allowed", "session-expired")

    def test_an_administrator_may_not_touch_other_hosts(self) -> None:
        bard = self.login("bard@example.org/globe")
        self.command("node='xmppd#user delete'", who=bard)
        session = bard.take().firstChildElement()["sessionid"]
        bard.send(
            f"<iq type='set' id='2' to='example.org'><command xmlns='{NS}' node='xmppd#user delete'"
            f" sessionid='{session}'><x xmlns='jabber:x:data' type='submit'><field var='jid'><value>x@example.net"
            "</value></field></x></command></iq>"
        )
        bard.expect(
            "<iq type='error' id='2'>{...}<error type='cancel'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            "{...}</error></iq>"
        )

    def test_without_the_other_plugin_its_command_is_gone(self) -> None:
        self.wait(self.host.registry.disable("commands"))
        self.command("node='config'")
        self.expect_error("cancel", "item-not-found")
