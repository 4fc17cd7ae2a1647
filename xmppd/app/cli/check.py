"""``xmppctl check``: is everything in order? Works with and without a running server, and changes nothing."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text
from twisted.internet.selectreactor import SelectReactor
from twisted.names.client import Resolver

from xmppd.api.words import plural
from xmppd.app.checks import (
    Finding,
    check_data_dir,
    check_database,
    check_plugins,
    check_ports,
    check_settings,
)
from xmppd.app.checks_certificates import check_certificates
from xmppd.app.checks_dns import check_dns
from xmppd.app.checks_relays import check_relays
from xmppd.app.checks_web import check_host_meta, check_web
from xmppd.app.cli.backend import run_in_reactor
from xmppd.app.cli.settings import find_settings
from xmppd.core.options import SettingsError
from xmppd.core.settings import Settings
from xmppd.net.network import Network

__all__ = ["check_command", "findings_for"]

_PATIENCE = 10.0  # seconds for an answer by HTTP
_MARKS = {
    "ok": ("ok     ", "green"),
    "hint": ("hint   ", "cyan"),
    "warning": ("warning", "yellow"),
    "error": ("error  ", "red"),
}
_CHECKS: tuple[Callable[[Settings], Iterable[Finding]], ...] = (
    check_settings,
    check_plugins,
    check_certificates,
    check_host_meta,
    check_data_dir,
    check_database,
)


def findings_for(config: Path | None, dns: bool) -> list[Finding]:
    """Look at everything and return what was found.

    :param dns: ask the DNS as well, for host-meta, and services for calls.
    """
    try:
        settings = find_settings(config)
    except SettingsError as error:
        return [Finding("error", "settings", problem, "Correct the settings file.") for problem in error.problems]
    findings = [finding for check in _CHECKS for finding in check(settings)]

    async def with_reactor(reactor: SelectReactor) -> list[Finding]:
        found = await check_ports(settings, reactor)
        if dns:
            found += await check_dns(settings, Resolver(resolv="/etc/resolv.conf", reactor=reactor))
            network = Network(reactor)
            found += await check_web(settings, lambda url: network.fetch("GET", url, timeout=_PATIENCE))
            await network.close()
        return found

    findings += run_in_reactor(with_reactor)
    return [*findings, *check_relays(settings)] if dns else findings


@click.command("check")
@click.option("--dns", is_flag=True, help="Also ask the DNS, for host-meta, and services for calls.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def check_command(context: click.Context, dns: bool, as_json: bool) -> None:
    """Look for problems: settings, plugins, certificates, folders, database, ports, DNS.

    It changes nothing, and works whether the server runs or not. The exit code is 1 if there is an error.

    \b
    Examples:
      xmppctl -c /etc/xmppd.toml check
      xmppctl check --dns
    """
    parameters = context.find_root().params
    findings = findings_for(parameters.get("config"), dns)
    if as_json or parameters.get("as_json"):
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        _print(findings)
    context.exit(1 if any(finding.level == "error" for finding in findings) else 0)


def _print(findings: list[Finding]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    for finding in findings:
        word, colour = _MARKS[finding.level]
        text, *lines = finding.text.splitlines()
        console.print(Text.assemble((word, colour), "  ", (finding.subject, "bold"), ": ", text))
        for line in lines:  # to be copied from here, so not indented
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if finding.advice:
            console.print(Text.assemble("         -> ", finding.advice))
    errors = sum(finding.level == "error" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    console.print(f"\n{plural(errors, 'error')}, {plural(warnings, 'warning')}")
