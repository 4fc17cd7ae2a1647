"""XEP-0133, by its sections."""

from __future__ import annotations

from sqlalchemy import select

from xmppd.plugins.admin_commands.logins import LOGINS
from xmppd.testing import Client, ServerTestCase

ADMIN = "http://jabber.org/protocol/admin"
NS = "http://jabber.org/protocol/commands"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
HIDDEN = f"<field type='hidden' var='FORM_TYPE'><value>{ADMIN}</value></field>"


def accounts_form(title: str, what: str, label: str) -> str:
    return (
        f"<title>{title}</title><instructions>Fill out this form to {what}.</instructions>{HIDDEN}"
        f"<field label='{label}' type='jid-multi' var='accountjids'><required/></field>"
    )


def field(var: str, *values: str, label: str = "") -> str:
    attribute = f" label='{label}'" if label else ""
    return f"<field var='{var}'{attribute}>" + "".join(f"<value>{value}</value>" for value in values) + "</field>"


class AdminCase(ServerTestCase):
    plugins = ("adhoc", "admin_commands", "announce", "disco", "roster")
    hosts = {"shakespeare.lit": {"admins": ["bard@shakespeare.lit"]}, "verona.lit": {}}

    def setUp(self) -> None:
        super().setUp()
        self.bard = self.login("bard@shakespeare.lit/globe")

    def send(self, node: str, attributes: str = "", content: str = "") -> None:
        self.bard.send(
            f"<iq id='x' to='shakespeare.lit' type='set' xml:lang='en'><command xmlns='{NS}' node='{ADMIN}#{node}'"
            f" {attributes}>{content}</command></iq>"
        )

    def expect(self, node: str, status: str, content: str = "") -> None:
        self.bard.expect(
            f"<iq from='shakespeare.lit' id='x' type='result' xml:lang='en'><command xmlns='{NS}'"
            f" node='{ADMIN}#{node}' sessionid='{{session}}' status='{status}'>{content}</command></iq>"
        )

    def expect_error(self, type: str, condition: str) -> None:
        self.bard.expect(
            f"<iq id='x' type='error'>{{...}}<error type='{type}'><{condition} xmlns='{STANZAS}'/>{{...}}</error></iq>"
        )

    def begin(self, node: str, form: str = "{any}") -> None:
        """Execute a command and get its form."""
        self.names.pop("session", None)
        self.send(node, "action='execute'")
        x = "{...}" if form == "{any}" else f"<x xmlns='jabber:x:data' type='form'>{form}</x>"
        self.expect(node, "executing", f"<actions execute='complete'><complete/></actions>{x}")

    def submit(self, node: str, *fields: str) -> None:
        content = f"<x xmlns='jabber:x:data' type='submit'>{HIDDEN}{''.join(fields)}</x>"
        self.send(node, "sessionid='{session}'", content)

    def do(self, node: str, *fields: str, form: str = "{any}") -> None:
        """Begin a command and submit its form."""
        self.begin(node, form)
        self.submit(node, *fields)

    def expect_result(self, node: str, *fields: str, more: str = "") -> None:
        self.expect(node, "completed", f"<x xmlns='jabber:x:data' type='result'>{HIDDEN}{''.join(fields)}{more}</x>")


class UserTests(AdminCase):
    """Sections 4.1 to 4.10."""

    def test_add_user(self) -> None:
        self.do(
            "add-user",
            field("accountjid", "juliet@shakespeare.lit"),
            field("password", "R0m30"),
            field("password-verify", "R0m30"),
            field("email", "juliet@capulet.com"),
            form="<title>Adding a User</title><instructions>Fill out this form to add a user.</instructions>"
            f"{HIDDEN}<field label='The Jabber ID for the account to be added' type='jid-single' var='accountjid'>"
            "<required/></field><field label='The password for this account' type='text-private' var='password'/>"
            "<field label='Retype password' type='text-private' var='password-verify'/>",
        )
        self.expect("add-user", "completed")
        self.login("juliet@shakespeare.lit/balcony", "R0m30")
        self.do("add-user", field("accountjid", "juliet@shakespeare.lit"), field("password", "R0m30"))
        self.expect_error("cancel", "conflict")

    def test_add_user_makes_a_password(self) -> None:
        self.do("add-user", field("accountjid", "juliet@shakespeare.lit"))
        self.expect_result("add-user", field("accountjid", "juliet@shakespeare.lit"), field("password", "{password}"))
        self.login("juliet@shakespeare.lit/balcony", self.names["password"])

    def test_add_user_filled_in_wrongly(self) -> None:
        self.begin("add-user")
        for fields in (
            (field("password", "x"),),
            (field("accountjid", "a@shakespeare.lit"), field("password", "x"), field("password-verify", "y")),
            (field("accountjid", "a@shakespeare.lit", "b@shakespeare.lit"),),
            (field("accountjid", "@"),),
        ):
            self.submit("add-user", *fields)
            self.expect_error("modify", "bad-request")

    def test_another_host_is_forbidden(self) -> None:
        for node, var in (("add-user", "accountjid"), ("delete-user", "accountjids"), ("user-stats", "accountjid")):
            self.do(node, field(var, "romeo@verona.lit"))
            self.expect_error("auth", "forbidden")

    def test_delete_user(self) -> None:
        juliet = self.login("juliet@shakespeare.lit/balcony")
        self.do(
            "delete-user",
            field("accountjids", "juliet@shakespeare.lit"),
            form=accounts_form("Deleting a User", "delete a user", "The Jabber ID(s) to delete"),
        )
        self.expect("delete-user", "completed")
        juliet.expect_closed("not-authorized")
        self.do("delete-user", field("accountjids", "juliet@shakespeare.lit"))
        self.expect_error("cancel", "item-not-found")

    def test_some_of_several(self) -> None:
        self.account("juliet@shakespeare.lit")
        self.do("delete-user", field("accountjids", "juliet@shakespeare.lit", "iago@shakespeare.lit"))
        self.expect("delete-user", "completed", "<note type='error'>there is no account iago@shakespeare.lit</note>")

    def test_disable_and_reenable_user(self) -> None:
        juliet = self.login("juliet@shakespeare.lit/balcony")
        self.do(
            "disable-user",
            field("accountjids", "juliet@shakespeare.lit"),
            form=accounts_form("Disabling a User", "disable a user", "The Jabber ID(s) to disable"),
        )
        self.expect("disable-user", "completed")
        juliet.expect_closed("not-authorized")
        with self.assertRaises(AssertionError):
            self.login("juliet@shakespeare.lit/balcony")
        self.do(
            "reenable-user",
            field("accountjids", "juliet@shakespeare.lit"),
            form=accounts_form("Re-Enable a User", "re-enable a user", "The Jabber ID(s) to re-enable"),
        )
        self.expect("reenable-user", "completed")
        self.login("juliet@shakespeare.lit/balcony")

    def test_end_user_session(self) -> None:
        phone = self.login("juliet@shakespeare.lit/phone")
        laptop = self.login("juliet@shakespeare.lit/laptop")
        self.do(
            "end-user-session",
            field("accountjids", "juliet@shakespeare.lit/phone"),
            form=accounts_form(
                "Ending a User Session", "end a user's session", "The Jabber ID(s) for which to end sessions"
            ),
        )
        self.expect("end-user-session", "completed")
        phone.expect_closed("policy-violation")
        laptop.expect_open()
        self.do("end-user-session", field("accountjids", "juliet@shakespeare.lit"))
        self.expect("end-user-session", "completed")
        laptop.expect_closed("policy-violation")

    def test_change_user_password(self) -> None:
        self.account("juliet@shakespeare.lit", "R0m30")
        self.do(
            "change-user-password",
            field("accountjid", "juliet@shakespeare.lit"),
            field("password", "V3r0n4"),
            form="<title>Changing a User Password</title>"
            f"<instructions>Fill out this form to change a user's password.</instructions>{HIDDEN}"
            "<field label='The Jabber ID for this account' type='jid-single' var='accountjid'><required/></field>"
            "<field label='The password for this account' type='text-private' var='password'><required/></field>",
        )
        self.expect("change-user-password", "completed")
        self.login("juliet@shakespeare.lit/balcony", "V3r0n4")
        self.do("change-user-password", field("accountjid", "juliet@shakespeare.lit"))
        self.expect_error("modify", "bad-request")

    def test_get_user_roster(self) -> None:
        juliet = self.login("juliet@shakespeare.lit/balcony")
        juliet.send(
            "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='romeo@example.net' name='Romeo'>"
            "<group>Friends</group><group>Lovers</group></item></query></iq>"
        )
        self.do(
            "get-user-roster",
            field("accountjids", "juliet@shakespeare.lit"),
            form=accounts_form(
                "Getting a User&apos;s Roster",
                "get a user's roster",
                "The Jabber ID(s) for which to retrieve the roster",
            ),
        )
        self.expect_result(
            "get-user-roster",
            field("accountjids", "juliet@shakespeare.lit"),
            more="<query xmlns='jabber:iq:roster'><item jid='romeo@example.net' name='Romeo' subscription='none'>"
            "<group>Friends</group><group>Lovers</group></item></query>",
        )

    def test_get_user_lastlogin(self) -> None:
        self.login("juliet@shakespeare.lit/balcony").close()
        for restarted in (False, True):
            self.do(
                "get-user-lastlogin",
                field("accountjids", "juliet@shakespeare.lit"),
                form=accounts_form(
                    "Getting a User&apos;s Last Login Time",
                    "get a user's last login time",
                    "The Jabber ID(s) for which to retrieve the last login time",
                ),
            )
            self.expect_result(
                "get-user-lastlogin",
                field("accountjids", "juliet@shakespeare.lit"),
                field("lastlogin", "2026-01-01T12:00:00Z"),
            )
            if not restarted:
                self.restart()
                self.pump(3600)
                self.bard = self.login("bard@shakespeare.lit/globe")

    def test_logins_are_written_down_in_time(self) -> None:
        saved: list[float] = []
        self.wait(self.host.registry.disable("admin_commands"))
        self.host.registry.set_options("admin_commands", {"save_seconds": 5})
        self.wait(self.host.registry.enable("admin_commands"))
        self.login("juliet@shakespeare.lit/balcony")
        query = select(LOGINS.c.account).where(LOGINS.c.account == "juliet@shakespeare.lit")
        for seconds in (4, 2):
            self.pump(seconds)
            saved.append(len(self.wait(self.host.db.read(lambda c: c.execute(query).all()))))
        self.assertEqual(saved, [0, 1])

    def test_lastlogin_of_somebody_deleted(self) -> None:
        self.login("juliet@shakespeare.lit/balcony").close()
        self.pump(61)
        self.do("delete-user", field("accountjids", "juliet@shakespeare.lit"))
        self.expect("delete-user", "completed")
        self.account("juliet@shakespeare.lit")
        self.do("get-user-lastlogin", field("accountjids", "juliet@shakespeare.lit"))
        self.expect_result(
            "get-user-lastlogin",
            field("accountjids", "juliet@shakespeare.lit"),
            "<field var='lastlogin'><value/></field>",
        )

    def test_user_stats(self) -> None:
        self.login("iago@shakespeare.lit/home", peer="127.0.0.1")
        self.login("iago@shakespeare.lit/work", peer="127.0.0.2")
        self.do(
            "user-stats",
            field("accountjid", "iago@shakespeare.lit"),
            form="<title>Get User Statistics</title>"
            f"<instructions>Fill out this form to gather user statistics.</instructions>{HIDDEN}"
            "<field label='The Jabber ID for statistics' type='jid-single' var='accountjid'><required/></field>",
        )
        self.expect_result(
            "user-stats",
            field("ipaddresses", "127.0.0.1", "127.0.0.2"),
            field("rostersize", "0"),
            field("onlineresources", "home", "work"),
        )


class ListTests(AdminCase):
    """Sections 4.13 to 4.22."""

    config = {"admin_commands": {"longest_list": 3}}

    def setUp(self) -> None:
        super().setUp()
        self.iago = self.login("iago@shakespeare.lit/home")
        self.account("juliet@shakespeare.lit")
        self.do("disable-user", field("accountjids", "juliet@shakespeare.lit"))
        self.expect("disable-user", "completed")

    def number(self, word: str, expected: int) -> None:
        del self.names["session"]
        self.send(f"get-{word}-users-num", "action='execute'")
        label = f"The number of {word} users"
        self.expect_result(f"get-{word}-users-num", field(f"{word}usersnum", str(expected), label=label))

    def test_numbers(self) -> None:
        self.number("registered", 3)
        self.number("disabled", 1)
        self.number("online", 2)

    def test_active_and_idle(self) -> None:
        self.pump(200)
        self.bard.send("<presence/>")
        self.pump(30)  # the server looks from time to time who has sent something
        self.wait(self.host.registry.reconfigure("admin_commands", {"idle_seconds": 60}))
        self.number("active", 1)
        self.number("idle", 1)
        self.listed("get-active-users", "active", "bard@shakespeare.lit")
        self.listed("get-idle-users", "idle", "iago@shakespeare.lit")

    def listed(self, node: str, word: str, *accounts: str, max_items: str = "100", note: str = "") -> None:
        counts = "".join(
            f"<option label='{n}'><value>{n}</value></option>" for n in ("25", "50", "75", "100", "150", "200")
        )
        self.do(
            node,
            field("max_items", max_items),
            form=f"<title>Requesting List of {word.title()} Users</title>"
            f"<instructions>Fill out this form to request the {word} users of this service.</instructions>{HIDDEN}"
            f"<field label='Maximum number of items to show' type='list-single' var='max_items'>{counts}"
            "<option label='None'><value>none</value></option></field>",
        )
        which = {"registered": "all ", "active": "active ", "idle": "idle "}.get(word, f"all {word} ")
        label = f"The list of {which}users"
        shown = field(f"{word}userjids", *accounts, label=label)
        self.expect(node, "completed", f"{note}<x xmlns='jabber:x:data' type='result'>{HIDDEN}{shown}</x>")

    def test_lists(self) -> None:
        everybody = ("bard@shakespeare.lit", "iago@shakespeare.lit", "juliet@shakespeare.lit")
        self.listed("get-registered-users-list", "registered", *everybody)
        self.listed("get-registered-users-list", "registered", *everybody, max_items="none")
        self.listed("get-disabled-users-list", "disabled", "juliet@shakespeare.lit")
        self.listed("get-online-users-list", "online", *everybody[:2])

    def test_as_many_as_asked_for(self) -> None:
        self.listed("get-registered-users-list", "registered", "bard@shakespeare.lit", max_items="1")

    def test_as_many_as_there_may_be(self) -> None:
        self.account("tybalt@shakespeare.lit")
        self.listed(
            "get-registered-users-list", "registered",
            "bard@shakespeare.lit", "iago@shakespeare.lit", "juliet@shakespeare.lit",
            note="<note type='warn'>Only the first 3 are shown.</note>",
        )  # fmt: skip

    def test_no_number(self) -> None:
        self.do("get-online-users-list", field("max_items", "-1"))
        self.expect_error("modify", "bad-request")


class MessageTests(AdminCase):
    """Sections 4.23 to 4.26 and 4.31."""

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@shakespeare.lit/balcony", presence=True)

    def expect_message(self, who: Client, text: str) -> None:
        who.expect(f"<message from='shakespeare.lit' type='headline'><body>{text}</body></message>")

    def test_announce(self) -> None:
        self.do(
            "announce",
            field("announcement", "Attention!", "Please log off now!"),
            form="<title>Making an Announcement</title><instructions>Fill out this form to make an announcement to all"
            f" active users of this service.</instructions>{HIDDEN}"
            "<field label='Announcement' type='text-multi' var='announcement'><required/></field>",
        )
        self.expect("announce", "completed")
        self.expect_message(self.juliet, "Attention!\nPlease log off now!")
        self.do("announce", field("announcement", " "))
        self.expect_error("modify", "bad-request")

    def motd_form(self, word: str, current: str = "") -> str:
        what = {"Setting": "set", "Editing": "edit"}[word]
        return (
            f"<title>{word} the Message of the Day</title><instructions>Fill out this form to {what} the message of the"
            f" day.</instructions>{HIDDEN}<field label='Message of the Day' type='text-multi' var='motd'>"
            f"<required/>{current}</field>"
        )

    def test_message_of_the_day(self) -> None:
        self.do("set-motd", field("motd", "Don't forget:", "tomorrow night."), form=self.motd_form("Setting"))
        self.expect("set-motd", "completed")
        self.expect_message(self.juliet, "Don't forget:\ntomorrow night.")
        current = "<value>Don't forget:</value><value>tomorrow night.</value>"
        self.do("edit-motd", field("motd", "Tonight!"), form=self.motd_form("Editing", current))
        self.expect("edit-motd", "completed")
        self.expect_message(self.juliet, "Tonight!")
        self.send("delete-motd", "action='execute'")
        del self.names["session"]
        self.expect("delete-motd", "completed")
        self.begin("edit-motd", self.motd_form("Editing"))

    def test_shutdown_has_to_be_allowed(self) -> None:
        self.send("shutdown", "action='execute'")
        self.expect_error("cancel", "item-not-found")

    def test_shutdown(self) -> None:
        """XEP-0133, examples 103 to 106."""
        stopped: list[bool] = []
        self.server.server.begin_stop = lambda: stopped.append(True)
        self.wait(self.host.registry.reconfigure("admin_commands", {"shutdown": True}))
        delays = "".join(
            f"<option label='{label}'><value>{value}</value></option>"
            for value, label in (
                ("30", "30 seconds"), ("60", "60 seconds"), ("90", "90 seconds"), ("120", "2 minutes"),
                ("180", "3 minutes"), ("240", "4 minutes"), ("300", "5 minutes"),
            )
        )  # fmt: skip
        self.do(
            "shutdown",
            field("delay", "120"),
            field("announcement", "Please log off now."),
            form="<title>Shutting Down the Service</title><instructions>Fill out this form to shut down the service."
            f"</instructions>{HIDDEN}<field label='Time delay before shutting down' type='list-single' var='delay'>"
            f"{delays}</field><field label='Announcement' type='text-multi' var='announcement'/>",
        )
        self.bard.clear()
        self.juliet.expect("<message from='shakespeare.lit'><body>Please log off now.</body></message>")
        self.pump(119)
        self.assertEqual(stopped, [])
        self.pump(1)
        self.assertEqual(stopped, [True])

    def test_shutdown_is_not_for_everybody(self) -> None:
        self.wait(self.host.registry.reconfigure("admin_commands", {"shutdown": True}))
        self.juliet.send(
            f"<iq id='x' to='shakespeare.lit' type='set'><command xmlns='{NS}' node='{ADMIN}#shutdown'/></iq>"
        )
        self.juliet.expect(
            f"<iq id='x' type='error'>{{...}}<error type='cancel'><forbidden xmlns='{STANZAS}'/>{{...}}</error></iq>"
        )


class OfferTests(AdminCase):
    """Section 3, and who may do what."""

    def nodes(self, who: Client) -> set[str]:
        who.send(
            "<iq type='get' id='1' to='shakespeare.lit'><query xmlns='http://jabber.org/protocol/disco#items'"
            f" node='{NS}'/></iq>"
        )
        return {item["node"] for item in who.take().firstChildElement().elements()}

    def test_administrators_find_them(self) -> None:
        nodes = self.nodes(self.bard)
        self.assertEqual(len([node for node in nodes if node.startswith(f"{ADMIN}#")]), 23)
        # What they do is not offered a second time.
        self.assertFalse({"xmppd#user add", "xmppd#user list", "xmppd#motd set"} & nodes)
        self.assertTrue({"xmppd#session list", "xmppd#plugin list"} < nodes)

    def test_others_do_not(self) -> None:
        self.assertEqual(self.nodes(self.login("juliet@shakespeare.lit/balcony")), set())

    def test_others_may_not(self) -> None:
        juliet = self.login("juliet@shakespeare.lit/balcony")
        juliet.send(f"<iq id='x' to='shakespeare.lit' type='set'><command xmlns='{NS}' node='{ADMIN}#add-user'/></iq>")
        juliet.expect(
            f"<iq id='x' type='error'>{{...}}<error type='cancel'><forbidden xmlns='{STANZAS}'/>{{...}}</error></iq>"
        )

    def test_without_the_plugin_nothing_is_left(self) -> None:
        self.wait(self.host.registry.disable("admin_commands"))
        nodes = self.nodes(self.bard)
        self.assertFalse([node for node in nodes if node.startswith(f"{ADMIN}#")])
        self.assertIn("xmppd#user add", nodes)

    def test_what_no_plugin_does_is_not_offered(self) -> None:
        self.wait(self.host.registry.disable("announce"))
        self.assertNotIn(f"{ADMIN}#announce", self.nodes(self.bard))
