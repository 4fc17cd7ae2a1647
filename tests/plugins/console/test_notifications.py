"""Notifications in the console: written, looked over, sent, watched, changed; and whom they can go to."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from tests.plugins.console.kit import PASSWORD, Browser, ConsoleTestCase, text_of
from tests.plugins.console.test_entrance import field

NEW = "notifications/new"


class Notifications(ConsoleTestCase):
    plugins: ClassVar[Any] = ("console", "roster", "notifications")

    def setUp(self) -> None:
        super().setUp()
        self.operator = self.browser("juliet")
        for name in ("romeo", "nurse"):
            self.account(f"{name}@example.org")
        self.phone = self.login("romeo@example.org/phone", presence=True)
        self.pump(5)

    def token(self, browser: Browser | None = None) -> str:
        found = re.search('name="csrf" value="([0-9a-f]+)"', (browser or self.operator).see("me"))
        assert found is not None
        return found[1]

    def send(self, **fields: str) -> str:
        """Send a notification, and return its id."""
        form = {"csrf": self.token(), "title": "Hello", "body": "It is the lark.", "base": "all", **fields}
        answer = self.operator.post("notifications/send", form)
        self.assertEqual(answer.code, 303, text_of(answer))
        self.pump(5)
        return str(field(answer, "Location")).rpartition("/")[2]

    def shown(self, id: str, query: str = "") -> str:
        return text_of(self.operator.get(f"notifications/{id}{query}")).partition("How far it came")[2]


class Composing(Notifications):
    def preview(self, **fields: str) -> str:
        answer = self.operator.post(
            "notifications/preview", {"csrf": self.token(), **fields}, hx_request="true", hx_target="preview"
        )
        self.assertEqual(answer.code, 200)
        page = answer.body.decode()
        self.assertTrue(page.lstrip().startswith('<div id="preview"'), page[:80])
        return text_of(answer)

    def test_preview(self) -> None:
        page = self.preview(title="<b>Hi</b>", body="there", base="all")
        self.assertIn("&lt;b&gt;Hi&lt;/b&gt; there", page)
        self.assertIn("3 accounts connected now 1", page)
        self.assertIn("user:romeo@example.org", self.preview(base="all", kind1="user", value1="romeo@example.org"))

    def test_preview_of_what_is_not_ready(self) -> None:
        self.assertIn("as soon as you say", self.preview(title="Hi"))
        self.assertIn("at character", self.preview(expression="tag:"))
        self.assertIn("0 devices", self.preview(base="online", kind1="tag", value1="none"))
        self.assertIn("1 account", self.preview(base="csv", csv="romeo@example.org\n"))

    def test_a_test_to_oneself(self) -> None:
        mine = self.login("juliet@example.org/balcony", password=PASSWORD, presence=True)
        self.pump(5)
        mine.clear()
        answer = self.operator.submit(NEW, "notifications/review", title="x")
        self.assertEqual(answer.code, 200)
        answer = self.operator.post("notifications/test", {"csrf": self.token(), "title": "Only me", "body": "b"})
        self.assertEqual(answer.code, 200)
        self.assertRegex(text_of(answer), "A test (is on its way to 1 device of yours|waits for your devices)")
        self.assertIn('value="Only me"', answer.body.decode(), "nothing is to be typed again")
        self.pump(5)
        self.assertIn("Only me", mine.received[0])
        self.assertNotIn("Only me", "".join(self.phone.received))

    def test_a_last_look(self) -> None:
        answer = self.operator.submit(NEW, "notifications/review", title="Hello", body="", base="all")
        page = answer.body.decode()
        self.assertIn("Is that right?", page)
        self.assertRegex(page, r"Send to \d devices")
        self.assertIn('name="expression" value="all"', page)
        self.assertNotIn("Hello", "".join(self.phone.received), "nothing is sent yet")

    def test_what_is_missing(self) -> None:
        for fields, problem in (
            ({"title": "x", "base": "nobody"}, "Who is to get it?"),
            ({"title": " ", "base": "all"}, "There is neither a title nor a text."),
            ({"title": "x", "expression": "tag:"}, "at character"),
            ({"title": "x", "base": "all", "at": "2026-13-01T08:00"}, "That is no time."),
        ):
            answer = self.operator.post("notifications/review", {"csrf": self.token(), **fields})
            self.assertEqual(answer.code, 422, fields)
            self.assertIn(problem, text_of(answer))

    def test_what_the_operation_refuses(self) -> None:
        answer = self.operator.post(
            "notifications/send", {"csrf": self.token(), "title": "x", "base": "all", "image": "nothing", "rate": "1"}
        )
        self.assertEqual(answer.code, 422)
        self.assertIn('id="h-image"', answer.body.decode(), "it is said beside the field")
        answer = self.operator.post(
            "notifications/send", {"csrf": self.token(), "title": "x", "base": "all", "rate": "fast"}
        )
        self.assertIn("A number is expected.", text_of(answer))

    def test_times_are_local(self) -> None:
        id = self.send(at="2026-01-02T08:30", zone="-120")
        self.assertIn("2026-01-02T06:30:00", self.operator.see(f"notifications/{id}"))
        id = self.send(at="2026-01-02T08:30:00Z")
        self.assertIn("2026-01-02T08:30:00", self.operator.see(f"notifications/{id}"))

    def test_another_like_it(self) -> None:
        id = self.send(expression="online", data="a=b")
        page = self.operator.see(f"{NEW}?again={id}")
        for text in ('value="Hello"', "It is the lark.", ">online</textarea>", "{&#34;a&#34;: &#34;b&#34;}"):
            self.assertIn(text, page)


class Watching(Notifications):
    def test_list(self) -> None:
        self.assertIn("Nothing was sent yet", self.operator.see("notifications"))
        self.send()
        page = text_of(self.operator.get("notifications"))
        self.assertIn("Hello all · juliet@example.org (console)", page)
        self.assertIn("None is in that state", self.operator.see("notifications?status=cancelled"))

    def test_pages(self) -> None:
        ids = [self.send(at="2026-01-02T08:30:00Z", title=f"Number {number}") for number in range(26)]
        page = self.operator.see("notifications")
        self.assertNotIn("Number 0<", page)
        more = (
            page.rpartition('class="more"')[2].partition('href="/console/')[2].partition('"')[0].replace("&amp;", "&")
        )
        second = self.operator.see(more)
        self.assertIn("Number 0<", second)
        self.assertIn(f'hx-get="/console/notifications?after={ids[1]}"', second, "it stays on its page")

    def test_funnel(self) -> None:
        id = self.send()
        page = self.shown(id)
        self.assertIn("Recipients 3", page)
        self.assertRegex(page, r"sent written to [^%]+ 1 33\.3 %")
        self.assertIn("2 queued", page)
        self.assertIn("romeo@example.org phone", page)
        self.assertIn("nurse@example.org whichever device comes first queued", page)
        self.assertNotIn("romeo@example.org phone", self.shown(id, "?state=queued"))
        self.assertNotIn("nurse@example.org", self.shown(id, "?who=romeo@example.org"))
        self.assertIn("Nobody to show", self.shown(id, "?state=failed"))

    def test_it_refreshes_itself_while_there_is_something_to_see(self) -> None:
        id = self.send()
        self.assertIn('hx-trigger="every 3s"', self.operator.see(f"notifications/{id}"))
        self.operator.submit(f"notifications/{id}", f"notifications/{id}/cancel")
        self.assertNotIn('hx-trigger="every 3s"', self.operator.see(f"notifications/{id}"))
        part = self.operator.get(f"notifications/{id}", hx_request="true", hx_target="live").body.decode()
        self.assertTrue(part.lstrip().startswith('<div id="live"'), part[:80])
        self.assertNotIn('id="recipients"', part)

    def test_pause_and_resume(self) -> None:
        id = self.send(at="2026-01-02T08:30:00Z")
        page = f"notifications/{id}"
        self.operator.submit(page, f"{page}/pause")
        self.assertIn("Hello paused", text_of(self.operator.get(page)))
        self.operator.submit(page, f"{page}/resume")
        self.assertNotIn("Hello paused", text_of(self.operator.get(page)))

    def test_rate(self) -> None:
        page = f"notifications/{self.send(at='2026-01-02T08:30:00Z')}"
        self.operator.submit(page, f"{page}/rate", rate="7")
        self.assertIn("7 devices a second", text_of(self.operator.get(page)))
        answer = self.operator.submit(page, f"{page}/rate", rate="x")
        self.assertEqual((answer.code, "A number is expected." in text_of(answer)), (422, True))

    def test_edit(self) -> None:
        page = f"notifications/{self.send(at='2026-01-02T08:30:00Z', uri='https://example.org/')}"
        answer = self.operator.submit(f"{page}/edit", f"{page}/edit", title="Better", uri="", to="online")
        self.assertEqual(field(answer, "Location"), f"/console/{page}")
        shown = text_of(self.operator.get(page))
        self.assertIn("Better scheduled", shown)
        self.assertIn("Audience online", shown)
        self.assertIn("2026-01-02T08:30:00", self.operator.see(page), "the time is what it was")
        self.assertNotIn("https://example.org/", shown)
        answer = self.operator.submit(f"{page}/edit", f"{page}/edit", to="nonsense:")
        self.assertEqual(answer.code, 422)

    def test_no_such(self) -> None:
        self.assertEqual(self.operator.get("notifications/nonsense").code, 404)

    def test_roles(self) -> None:
        id = self.send()
        viewer, sender = self.browser("tybalt", "viewer"), self.browser("paris", "sender")
        self.assertNotIn("Call it off", viewer.see(f"notifications/{id}"))
        self.assertEqual(viewer.get(NEW).code, 404)
        answer = viewer.post(f"notifications/{id}/cancel", {"csrf": self.token(viewer)})
        self.assertEqual(answer.code, 404)
        self.assertIn("Call it off", sender.see(f"notifications/{id}"))
        self.assertIn("Look over and send", sender.see(NEW))


class Audiences(Notifications):
    def done(self, page: str, action: str, **fields: str) -> str:
        answer = self.operator.submit(page, action, **fields)
        self.assertEqual(answer.code, 303, text_of(answer))
        return text_of(self.operator.get(str(field(answer, "Location")).removeprefix("/console/")))

    def test_segments(self) -> None:
        self.assertIn("No segments yet", self.operator.see("audiences"))
        page = self.done("audiences", "audiences", name="vips", expression="tag:a  and online")
        self.assertIn("vips tag:a and online", page)
        self.assertIn("/console/notifications/new?to=segment%3Avips", self.operator.see("audiences"))
        answer = self.operator.submit("audiences", "audiences", name="x", expression="tag:")
        self.assertEqual(answer.code, 422)
        self.assertIn("No segments yet", self.done("audiences", "audiences/segments/vips/delete"))

    def test_groups(self) -> None:
        where = "audiences/groups"
        self.done(where, where, name="staff", account="romeo")
        page = self.done(where, where, name="staff", csv="nurse@example.org")
        self.assertIn("nurse@example.org", page)
        self.assertIn("staff 2", text_of(self.operator.get(where)))
        page = self.done(f"{where}/staff", f"{where}/staff/remove", account="romeo@example.org")
        self.assertNotIn("romeo@example.org", page)
        self.assertIn("No groups yet", self.done(f"{where}/staff", f"{where}/staff/delete"))
        answer = self.operator.submit(where, where, name="staff", account="no body")
        self.assertIn("That is no address", text_of(answer))

    def test_tags(self) -> None:
        where = "audiences/tags"
        self.assertIn("news 1", self.done(where, where, account="romeo", tags="news, offers"))
        self.assertIn("offers 1", text_of(self.operator.get(f"{where}?account=romeo")))
        fields = {"csrf": self.token(), "account": "romeo", "tags": ""}
        self.assertEqual(self.operator.post(where, fields).code, 303)
        self.assertIn("No tags yet", self.operator.see(where))

    def test_aliases(self) -> None:
        where = "audiences/aliases"
        self.assertIn("customer-1 romeo@example.org", self.done(where, where, account="romeo", alias="customer-1"))
        self.assertIn("No aliases yet", self.done(where, f"{where}/customer-1/delete"))

    def test_devices(self) -> None:
        page = text_of(self.operator.get("devices"))
        self.assertIn("romeo@example.org phone online", page)
        self.assertIn("No device fits", self.operator.see("devices?platform=android"))
        self.assertIn("romeo@example.org", self.operator.see("devices?account=romeo").partition('id="rows"')[2])
        one = "devices/romeo@example.org/phone"
        self.assertIn("First seen", self.operator.see(one))
        self.phone.close()
        self.pump()
        self.assertIn("No devices are known yet", self.done(one, f"{one}/forget"))


class Without(ConsoleTestCase):
    def test_what_no_plugin_offers_is_not_there(self) -> None:
        operator = self.browser("juliet")
        page = operator.see()
        for path in ("notifications", "audiences", "devices", "push", "tokens", "webhooks"):
            self.assertEqual(operator.get(path).code, 404, path)
            self.assertNotIn(f'"/console/{path}"', page)
