"""The page that one comes to first: how the server is doing, and what somebody should look after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xmppd.plugins.console.charts import Chart, chart
from xmppd.plugins.console.pages import Asked, Group, View, marked, page, view

_DAYS = 21  # before certificates end


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart with its title; `unit` stands behind values."""

    title: str
    unit: str
    chart: Chart


@page("", title=marked("Dashboard"), group=Group.OVERVIEW, icon="dashboard", order=0)
async def dashboard(asked: Asked) -> View:
    """How the server is doing."""
    samples = await asked.run("server history") if asked.may("server history") else []
    return view(
        "dashboard.html",
        status=await asked.run("server status") if asked.may("server status") else None,
        hosts=await asked.run("host list") if asked.may("host list") else [],
        sessions=None if asked.may("server status") else await _optional(asked, "session list"),
        panels=_panels(asked, samples),
        since=samples[0]["time"] if samples else "",
        warnings=await _warnings(asked),
    )


async def _optional(asked: Asked, name: str) -> Any:
    return await asked.run(name) if asked.may(name) else None


def _panels(asked: Asked, samples: Sequence[dict[str, Any]]) -> list[Panel]:
    if not samples:
        return []

    def values(name: str) -> list[float | None]:
        return [sample[name] for sample in samples]

    _ = asked.gettext
    return [
        Panel(_("Sessions"), "", chart([(_("open now"), values("sessions"))], 10)),
        Panel(_("Stanzas"), "/s", chart([(_("received"), values("received_per_second")),
                                         (_("sent"), values("sent_per_second"))], 1)),
        Panel(_("Lateness"), "ms", chart([(_("slowest"), values("lateness_p99_ms")),
                                          (_("median"), values("lateness_p50_ms"))], 1)),
        Panel(_("Processor"), "%", chart([(_("of one processor"), values("cpu_percent"))], 100)),
        Panel(_("Memory"), "MiB", chart([(_("in use"), values("memory_mib"))], 50)),
    ]  # fmt: skip


async def _warnings(asked: Asked) -> list[dict[str, str]]:
    """What somebody should look after, with the page where that is done."""
    found = []
    if asked.may("plugin list"):
        for row in await asked.run("plugin list"):
            if row["problem"]:
                text = asked.gettext("Plugin %(name)s: %(problem)s", name=row["plugin"], problem=row["problem"])
                found.append({"text": text, "to": "plugins"})
    if asked.may("certificate list"):
        for row in await asked.run("certificate list"):
            if row["days"] < 0:
                text = asked.gettext("The certificate of %(host)s has ended: nobody can connect.", host=row["host"])
                found.append({"text": text, "to": ""})
            elif row["days"] < _DAYS:
                text = asked.ngettext(
                    "The certificate of %(host)s ends in %(num)s day.",
                    "The certificate of %(host)s ends in %(num)s days.",
                    row["days"],
                    host=row["host"],
                )
                found.append({"text": text, "to": ""})
    if asked.may("push health"):
        found += await _push_problems(asked)
    return found


async def _push_problems(asked: Asked) -> list[dict[str, str]]:
    """The push services that take nothing from us now."""
    return [
        {
            "text": asked.gettext("Push service %(name)s: %(problem)s", name=row["service"], problem=row["reason"]),
            "to": "push",
        }
        for row in await asked.run("push health")
        if row["state"] == "failing"
    ]
