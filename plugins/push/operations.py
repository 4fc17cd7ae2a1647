"""What operators can see and do about push."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from secrets import token_hex
from typing import Any

from xmppd.api import Condition, Jid, OperationError, Plugin, Result, operation
from xmppd.api.words import plural
from xmppd.plugins.push.registrations import Entry, Registrations
from xmppd.plugins.push.wakeups import Wakeups
from xmppd.wire.delay import format_datetime

__all__ = ["PushOperations"]


class PushOperations(Plugin):
    """Base of the plugin: its operations."""

    registered: Registrations
    wakeups: Wakeups
    _disable: Callable[[Jid, Jid, str | None], Awaitable[int]]

    @operation("push list", safe=True, examples=("", "romeo@example.org"))
    async def list_registrations(self, account: Jid | None = None, *, limit: int = 100, after: str = "") -> Result:
        """List the apps that have enabled push, with how it goes.

        :param account: only those of this account, by its bare address.
        :param limit: how many at most.
        :param after: those behind the one of this id.
        """
        entries = list(self.registered) if account is None else list(self.registered.of(account.bare))
        entries = sorted((entry for entry in entries if entry.id > after), key=lambda entry: entry.id)
        return [_row(entry) for entry in entries[: max(0, limit)]]

    @operation("push show", safe=True, examples=("romeo@example.org",))
    async def show(self, account: Jid) -> Result:
        """Show everything about the apps of an account.

        :param account: bare address of the account.
        """
        return [_details(entry) for entry in await self._entries(account)]

    @operation("push disable", examples=("romeo@example.org --service push.example.com",))
    async def disable_for(self, account: Jid, *, service: str = "", node: str = "") -> Result:
        """Turn push off for apps of an account, until they turn it on again.

        :param account: bare address of the account.
        :param service: address of the push service; all of them if not given.
        :param node: the node there; all of them if not given.
        """
        chosen = [e for e in await self._entries(account) if service in ("", str(e.service)) and node in ("", e.node)]
        for entry in chosen:
            await self._disable(entry.account, entry.service, entry.node)
        return f"Turned off push to {plural(len(chosen), 'app')}."

    @operation("push test", examples=("romeo@example.org",))
    async def test(self, account: Jid, *, service: str = "") -> Result:
        """Push to the apps of an account, and tell what their services answer.

        :param account: bare address of the account.
        :param service: only to those of this push service.
        """
        rows = []
        for entry in await self._entries(account):
            if service in ("", str(entry.service)):
                pushed = await self.wakeups.push(entry, b"", f"test-{token_hex(8)}", "high", "Test")
                told = {"service": str(entry.service), "node": entry.node, "device": entry.device}
                rows.append({**told, "result": pushed.result.value, "reason": pushed.reason})
        return rows

    @operation("push health", safe=True, examples=("",))
    async def health(self) -> Result:
        """Tell of each push service how it goes, worst first."""
        services: dict[Jid, list[Entry]] = {}
        for entry in self.registered:
            services.setdefault(entry.service, []).append(entry)
        rows = [_health(service, entries) for service, entries in services.items()]
        return sorted(rows, key=lambda row: (row["state"] == "good", row["service"]))

    async def _entries(self, account: Jid) -> Sequence[Entry]:
        if not await self.host.accounts.exists(account.bare):
            raise OperationError(f"there is no account {account.bare}", Condition.ITEM_NOT_FOUND)
        return self.registered.of(account.bare)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id, "account": str(entry.account), "service": str(entry.service), "node": entry.node,
        "device": entry.device, "state": _state(entry), "last success": _time(entry.accepted_at), "error": entry.error,
    }  # fmt: skip


def _details(entry: Entry) -> dict[str, Any]:
    return {
        **_row(entry),
        "last error": _time(entry.error_at),
        "errors in a row": entry.errors,
        "enabled": _time(entry.enabled_at),
        "unread messages": entry.count,
        "to be told": entry.waiting.name.lower() if entry.waiting else "",
        "encrypted": bool(entry.extras.key),
    }


def _state(entry: Entry) -> str:
    if entry.disabled is not None:
        return "gone" if entry.gone else "disabled"
    return "waiting" if entry.waiting and entry.attempts else "enabled"


def _health(service: Jid, entries: Sequence[Entry]) -> dict[str, Any]:
    accepted_at = max(entry.accepted_at for entry in entries)
    worst = max(entries, key=lambda entry: entry.error_at)
    state = "good" if worst.error_at <= accepted_at else "failing"
    if not accepted_at and not worst.error_at:
        state = "unused"
    return {
        "service": str(service),
        "state": state,
        "apps": len(entries),
        "disabled": sum(entry.disabled is not None for entry in entries),
        "waiting": sum(bool(entry.waiting) for entry in entries),
        "last success": _time(accepted_at),
        "last error": _time(worst.error_at),
        "reason": worst.error,
    }


def _time(seconds: float) -> str:
    return format_datetime(seconds) if seconds else ""
