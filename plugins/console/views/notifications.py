"""Notifications that were sent or are to be: the list, and what became of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xmppd.plugins.console.pages import Asked, Done, FormError, Group, View, action, marked, page, view

__all__ = ["STATES", "cancel", "notification", "notifications", "pause", "rate", "resume"]

_PAGE = 25
_RECIPIENTS = 50
_PATH = "notifications/{id}"
_STATUSES = {
    "": marked("All"), "scheduled": marked("Scheduled"), "running": marked("Running"), "paused": marked("Paused"),
    "done": marked("Done"), "cancelled": marked("Cancelled"),
}  # fmt: skip
STATES = {
    "queued": marked("queued"), "sent": marked("sent"), "reached": marked("reached"), "delivered": marked("delivered"),
    "opened": marked("opened"), "failed": marked("failed"), "expired": marked("expired"),
    "superseded": marked("superseded"), "cancelled": marked("cancelled"),
}  # fmt: skip
_STEPS = ("sent", "reached", "delivered", "opened")
_HINTS = {
    "sent": marked("written to the device's connection, or taken by its push service"),
    "reached": marked("the app has read it"),
    "delivered": marked("the device has confirmed it"),
    "opened": marked("somebody has tapped on it"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel: how many came so far, or further."""

    state: str
    hint: str
    count: int
    share: float


def funnel(counts: Mapping[str, Any]) -> list[Step]:
    """Return how far a notification has come; each recipient is counted in every step that it has taken."""
    total, steps, so_far = max(counts["recipients"], 1), [], 0
    for state in reversed(_STEPS):
        so_far += counts[state]
        steps.append(Step(state, _HINTS[state], so_far, so_far / total))
    return steps[::-1]


@page("notifications", title=marked("Notifications"), group=Group.PUSH, icon="send", order=10,
      needs=("notification list",))  # fmt: skip
async def notifications(asked: Asked) -> View:
    """The newest first."""
    status = asked.query.get("status", "") if asked.query.get("status", "") in _STATUSES else ""
    rows = await asked.run("notification list", status=status, limit=_PAGE + 1, after=asked.query.get("after"))
    more = rows[_PAGE - 1]["id"] if len(rows) > _PAGE else ""
    stats = await asked.run("notification stats", days=30) if asked.may("notification stats") else None
    return view(
        "notifications/list.html", rows=[(row, funnel(row)) for row in rows[:_PAGE]], more=more, status=status,
        statuses=_STATUSES, stats=stats, steps=funnel(stats) if stats else [],
    )  # fmt: skip


@page(_PATH, title=marked("Notification"), within="notifications", needs=("notification show",))
async def notification(asked: Asked, id: str) -> View:
    """One of them: the funnel, and what became of it with each device."""
    shown = await asked.run("notification show", id=id)
    state = asked.query.get("state", "") if asked.query.get("state", "") in STATES else ""
    recipients, more = await _recipients(asked, id, state)
    return view(
        "notifications/show.html", shown=shown, steps=funnel(shown), states=STATES, state=state, more=more,
        recipients=recipients, who=asked.query.get("who", ""),
        alive=shown["status"] in ("scheduled", "running", "paused"),
    )  # fmt: skip


async def _recipients(asked: Asked, id: str, state: str) -> tuple[Sequence[Mapping[str, Any]], str]:
    if not asked.may("notification recipients"):
        return (), ""
    rows = await asked.run(
        "notification recipients", id=id, state=state, account=asked.query.get("who", "").strip().lower(),
        limit=_RECIPIENTS + 1, after=asked.query.get("after"),
    )  # fmt: skip
    return rows[:_RECIPIENTS], rows[_RECIPIENTS - 1]["recipient"] if len(rows) > _RECIPIENTS else ""


@action(f"{_PATH}/pause", needs=("notification pause",), again=_PATH)
async def pause(asked: Asked, id: str) -> Done:
    """Stop for a while."""
    await asked.run("notification pause", id=id)
    return Done(asked.gettext("It is paused: nobody else gets it until you go on."), to=f"notifications/{id}")


@action(f"{_PATH}/resume", needs=("notification resume",), again=_PATH)
async def resume(asked: Asked, id: str) -> Done:
    """Go on."""
    await asked.run("notification resume", id=id)
    return Done(asked.gettext("It goes on."), to=f"notifications/{id}")


@action(f"{_PATH}/cancel", needs=("notification cancel",), again=_PATH)
async def cancel(asked: Asked, id: str) -> Done:
    """Call it off."""
    await asked.run("notification cancel", id=id)
    return Done(asked.gettext("It is called off: who has not got it yet never will."), to=f"notifications/{id}")


@action(f"{_PATH}/rate", needs=("notification rate",), again=_PATH)
async def rate(asked: Asked, id: str) -> Done:
    """Make it faster or slower."""
    text = asked.form.get("rate", "").strip() or "0"
    try:
        devices = float(text)
    except ValueError:
        raise FormError({"rate": asked.gettext("A number is expected.")}) from None
    await asked.run("notification rate", id=id, rate=devices)
    return Done(asked.gettext("The rate is changed."), to=f"notifications/{id}")
