"""Who did what: the audit trail."""

from __future__ import annotations

from xmppd.api import OperationError
from xmppd.plugins.console.pages import Asked, Group, View, marked, page, view

__all__ = ["audit"]

_PAGE = 50
_SPANS = {
    "": marked("Any time"), "1h": marked("The last hour"), "1d": marked("The last day"), "7d": marked("The last week"),
    "30d": marked("The last 30 days"),
}  # fmt: skip


@page("audit", title=marked("Audit"), group=Group.SERVER, icon="audit", order=80, needs=("audit list",))
async def audit(asked: Asked) -> View:
    """The operations that were run, the latest first."""
    query = asked.query
    span = query.get("since", "") if query.get("since", "") in _SPANS else ""
    chosen = {name: query.get(name, "").strip() for name in ("by", "operation")} | {"since": span}
    failed, problem = "failed" in query, ""
    try:
        rows = await asked.run("audit list", limit=_PAGE + 1, after=query.get("after"), failed=failed, **chosen)
    except OperationError as error:
        rows, problem = [], str(error)
    more = rows[_PAGE - 1]["id"] if len(rows) > _PAGE else ""
    return view(
        "server/audit.html", rows=rows[:_PAGE], more=more, chosen=chosen, failed=failed, spans=_SPANS,
        problem_text=problem, searched=failed or any(chosen.values()),
    )  # fmt: skip
