"""External components and uplinks."""

from __future__ import annotations

from xmppd.plugins.console.pages import Asked, Done, Group, View, action, marked, page, view

__all__ = ["close", "component", "components"]


@page("components", title=marked("Components"), group=Group.NETWORK, icon="component", order=20,
      needs=("component list",))  # fmt: skip
async def components(asked: Asked) -> View:
    """Those that the settings name."""
    return view("federation/components.html", rows=await asked.run("component list"))


@page("components/{domain}", title=marked("Component"), within="components", needs=("component show",))
async def component(asked: Asked, domain: str) -> View:
    """One of them."""
    return view("federation/component.html", domain=domain, shown=await asked.run("component show", domain=domain))


@action("components/{domain}/close", needs=("component close",), again="components/{domain}")
async def close(asked: Asked, domain: str) -> Done:
    """Close its connections."""
    return Done(await asked.run("component close", domain=domain), to=f"components/{domain}")
