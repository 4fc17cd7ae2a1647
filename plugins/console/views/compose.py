"""Writing a notification: the form with its preview, a test to oneself, a last look, and sending."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from xmppd.api import OperationError
from xmppd.plugins.console.audience_builder import BASES, CONDITIONS, JOINS, ROWS, composed
from xmppd.plugins.console.option_forms import run
from xmppd.plugins.console.pages import Asked, Done, FormError, View, action, marked, page, view

__all__ = ["change", "compose", "edit", "preview", "review", "send", "test"]

_NEEDS = ("notification send",)
_FORM = "notifications/new"
_PRIORITIES = {
    "high": marked("high: at once"),
    "normal": marked("normal"),
    "low": marked("low: when it suits the phone"),
}
_ROADS = {"live,push": marked("connection, or else push service"), "live": marked("connection only"),
          "push": marked("push service only")}  # fmt: skip
_CONTENT = ("title", "body", "uri", "image", "data", "priority", "collapse", "ttl")
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)


@page(_FORM, title=marked("New notification"), within="notifications", needs=_NEEDS)
async def compose(asked: Asked) -> View:
    """The form. It can begin with an audience, or with what another notification was."""
    again = asked.query.get("again", "")
    before = await asked.run("notification show", id=again) if again and asked.may("notification show") else {}
    values = {name: before.get(name, "") for name in ("title", "body", "uri", "image", "data", "priority", "collapse")}
    values["expression"] = before.get("audience", "") or asked.query.get("to", "")
    values["data"] = "" if values["data"] == "{}" else values["data"]
    return _form(asked, values)


def _form(asked: Asked, values: Mapping[str, str] | None = None, said: str = "") -> View:
    return view(
        "notifications/compose.html", values=values or {}, bases=BASES, conditions=CONDITIONS, joins=JOINS,
        rows=range(1, ROWS + 1), priorities=_PRIORITIES, roads=_ROADS, said=said, reach=None, trouble="", to="",
    )  # fmt: skip


@action("notifications/preview", needs=("notification preview",), again=_FORM)
async def preview(asked: Asked) -> View:
    """Say how many it would reach, and show what it looks like; while somebody writes."""
    to, reach, trouble = composed(asked.form), None, ""
    if to:
        try:
            reach = await asked.run("notification preview", to=to, csv=_listed(asked.form))
        except OperationError as error:
            trouble = str(error)
    shown = _form(asked)
    return view(shown.template, **{**shown.data, "reach": reach, "trouble": trouble, "to": to})


@action("notifications/test", needs=_NEEDS, again=_FORM)
async def test(asked: Asked) -> View:
    """Send it to the one who writes it, and to nobody else."""
    content = {**_content(asked.form), "ttl": "1h"}
    shown = await _send(asked, to=f"user:{asked.user.jid.bare}", **content)
    said = asked.ngettext(
        "A test is on its way to %(num)s device of yours.", "A test is on its way to %(num)s devices of yours.",
        shown["recipients"],
    )  # fmt: skip
    return _form(asked, said=said if shown["recipients"] else asked.gettext("A test waits for your devices."))


@action("notifications/review", needs=("notification send", "notification preview"), again=_FORM)
async def review(asked: Asked) -> View:
    """A last look, with the number of those who get it."""
    form = asked.form
    to = composed(form)
    if not to:
        raise FormError({"base": asked.gettext("Who is to get it?")})
    if not form.get("title", "").strip() and not form.get("body", "").strip():
        raise FormError({"title": asked.gettext("There is neither a title nor a text.")})
    at = _time(asked, form)
    try:
        reach = await asked.run("notification preview", to=to, csv=_listed(form))
    except OperationError as error:
        raise FormError({"expression" if form.get("expression") else "base": str(error)}) from None
    fields = {name: value for name, value in form.items() if name not in ("csrf", "expression", "at")}
    return view("notifications/review.html", reach=reach, to=to, at=at, fields={**fields, "expression": to, "at": at})


@action("notifications/send", needs=_NEEDS, again=_FORM)
async def send(asked: Asked) -> Done:
    """Send it, or have it wait for its time."""
    form = asked.form
    to = composed(form)
    if not to:
        raise FormError({"base": asked.gettext("Who is to get it?")})
    try:
        rate = float(form.get("rate", "").strip() or 0)
    except ValueError:
        raise FormError({"rate": asked.gettext("A number is expected.")}) from None
    shown = await _send(
        asked, to=to, at=_time(asked, form), rate=rate, roads=form.get("roads"),
        online_only="online_only" in form, csv=_listed(form), **_content(form),
    )  # fmt: skip
    scheduled = shown["status"] == "scheduled"
    text = asked.gettext("It waits for its time.") if scheduled else asked.gettext("It is on its way.")
    return Done(text, to=f"notifications/{shown['id']}")


@page("notifications/{id}/edit", title=marked("Change a notification"), within="notifications",
      needs=("notification edit", "notification show"))  # fmt: skip
async def edit(asked: Asked, id: str) -> View:
    """The form for one that was not sent yet."""
    shown = await asked.run("notification show", id=id)
    data = "" if shown["data"] == "{}" else shown["data"]
    return view("notifications/edit.html", shown=shown, data=data, priorities=_PRIORITIES)


@action("notifications/{id}/edit", needs=("notification edit", "notification show"))
async def change(asked: Asked, id: str) -> Done:
    """Change what was changed."""
    before, form = await asked.run("notification show", id=id), asked.form
    changes = {name: form[name] for name in _CONTENT if name in form and form[name] != before.get(name, "")}
    if form.get("to", "").strip() != before["audience"]:
        changes["to"] = form.get("to", "").strip()
    changes["at"] = _time(asked, form)
    await run(asked, "notification edit", id=id, **changes)
    return Done(asked.gettext("It is changed."), to=f"notifications/{id}")


async def _send(asked: Asked, **arguments: Any) -> Any:
    """Send; a title is enough, and so is a text."""
    given = {name: value for name, value in arguments.items() if value not in (None, "")}
    return await run(asked, "notification send", **{"title": "", "body": "", **given})


def _content(form: Mapping[str, str]) -> dict[str, Any]:
    return {name: form.get(name, "").replace("\r\n", "\n").strip() for name in _CONTENT}


def _listed(form: Mapping[str, str]) -> str:
    return form.get("csv", "") if form.get("base") == "csv" or "csv" in form.get("expression", "") else ""


def _time(asked: Asked, form: Mapping[str, str]) -> str:
    """Return when to send it, as operations want it.

    A browser tells local time, and beside it by how many minutes that is behind UTC; without a script it is UTC.
    """
    text = form.get("at", "").strip()
    if form.get("when", "at") != "at" or not text:
        return ""
    if not _LOCAL.fullmatch(text):
        return text
    try:
        behind = int(form.get("zone", "") or 0)
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(minutes=behind)
    except (ValueError, OverflowError):
        raise FormError({"at": asked.gettext("That is no time.")}) from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
