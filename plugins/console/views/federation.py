"""Links with other servers: the list, one of them, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xmppd.plugins.console.pages import Asked, Done, FormError, Group, View, action, marked, page, view

__all__ = ["close", "link", "links", "look", "retry"]

_NEEDS = ("s2s list",)
_ONE = ("s2s list", "s2s show")
_PAGE = 100
_STATES = {
    "": marked("All"), "open": marked("Open"), "connecting": marked("Connecting"), "waiting": marked("Waiting"),
    "failed": marked("Failed"),
}  # fmt: skip


@page("federation", title=marked("Other servers"), group=Group.NETWORK, icon="network", order=10, needs=_NEEDS)
async def links(asked: Asked) -> View:
    """The connections there are, and the domains that can't be reached."""
    state = asked.query.get("state", "") if asked.query.get("state", "") in _STATES else ""
    rows = await asked.run("s2s list", state=state)
    search = asked.query.get("search", "").strip().lower()
    found = [row for row in rows if search in row["domain"]]
    return view("federation/links.html", rows=found[:_PAGE], more=max(0, len(found) - _PAGE), state=state,
                states=_STATES, search=search)  # fmt: skip


@page("federation/{domain}", title=marked("Other server"), within="federation", needs=_ONE)
async def link(asked: Asked, domain: str) -> View:
    """All that is known of another server."""
    return view("federation/link.html", domain=domain, shown=await asked.run("s2s show", domain=domain), tested=None)


@action("federation/test", needs=("s2s test",), again="federation")
async def look(asked: Asked) -> View:
    """Look for a server, and at it; nothing is kept of that."""
    domain = asked.form.get("domain", "").strip()
    if not domain:
        raise FormError({"domain": asked.gettext("Which domain?")})
    tested = await asked.run("s2s test", domain=domain)
    return view("federation/tested.html", domain=domain, tested=tested, parts=_parts(tested))


@action("federation/{domain}/close", needs=("s2s close",), again="federation/{domain}")
async def close(asked: Asked, domain: str) -> Done:
    """Close its streams."""
    return Done(await asked.run("s2s close", domain=domain), to=f"federation/{domain}")


@action("federation/{domain}/retry", needs=("s2s retry",), again="federation/{domain}")
async def retry(asked: Asked, domain: str) -> Done:
    """Try at once."""
    return Done(await asked.run("s2s retry", domain=domain), to=f"federation/{domain}")


def _parts(tested: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What a test has found, in its order, without what is empty."""
    return [(name, value) for name, value in tested.items() if value not in ("", None, [], {})]
