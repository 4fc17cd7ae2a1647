"""What an operator can have done about uploads; users about their own."""

from __future__ import annotations

from typing import Any, Protocol

from xmppd.api import Condition, IDatabase, IHost, Jid, OperationError, Permission, Result, operation
from xmppd.api.words import plural
from xmppd.plugins.http_upload import store
from xmppd.plugins.http_upload.granting import retention
from xmppd.plugins.http_upload.keeping import Keeper
from xmppd.plugins.http_upload.options import UploadOptions
from xmppd.plugins.http_upload.store import State
from xmppd.plugins.http_upload.tables import FILES
from xmppd.plugins.http_upload.tickets import TOKEN, path_of
from xmppd.wire.delay import format_datetime

__all__ = ["UploadOperations"]

_SHOWN = 1000


class _Whole(Protocol):
    """The plugin, as far as operations know it."""

    host: IHost
    keeper: Keeper

    @property
    def db(self) -> IDatabase: ...
    @property
    def jid(self) -> Jid: ...
    @property
    def options(self) -> UploadOptions: ...
    def url(self, path: str) -> str: ...


class UploadOperations:
    """Base of the plugin."""

    @operation("upload list", safe=True, examples=("romeo@example.org",))
    async def list_files(self: _Whole, account: Jid, *, limit: int = 100) -> Result:
        """List the files that an account has uploaded, the oldest first.

        :param account: its bare address.
        :param limit: how many.
        """
        return await _rows(self, account, limit)

    @operation("upload mine", Permission.USER, safe=True)
    async def list_mine(self: _Whole, actor: str) -> Result:
        """List the files that you have uploaded, the oldest first."""
        return await _rows(self, _user(actor), _SHOWN)

    @operation("upload usage", safe=True, examples=("example.org",))
    async def usage(self: _Whole, host: str) -> Result:
        """Say how many files there are on a host, and who has most of them.

        :param host: the domain.
        """
        service = str(self.jid)
        whole = await self.db.read(lambda c: store.totals(c, service))
        most = await self.db.read(lambda c: store.by_account(c, service, 20))
        first = {"account": "all", "files": whole.files, "octets": whole.octets}
        return [first, *({"account": who, "files": files, "octets": octets} for who, files, octets in most)]

    @operation("upload purge", examples=("example.org",))
    async def purge_now(self: _Whole, host: str) -> Result:
        """Delete now what has ended, and would be deleted within minutes anyway.

        :param host: the domain.
        """
        return f"Deleted {plural(await self.keeper.purge(), 'file')}."

    @operation("upload delete", examples=("romeo@example.org", "romeo@example.org --token 5dwhqqqhqoa3..."))
    async def delete_files(self: _Whole, account: Jid, *, token: str = "") -> Result:
        """Delete the files of an account, or one of them. Nobody can get them any more from now on.

        :param account: its bare address.
        :param token: which file: the long part of its URL; all, unless given.
        """
        return await _delete(self, account, token)

    @operation("upload remove", Permission.USER)
    async def delete_mine(self: _Whole, actor: str, token: str) -> Result:
        """Delete a file that you have uploaded. Nobody can get it any more from now on.

        :param token: which file: the long part of its URL, as in the list of files.
        """
        return await _delete(self, _user(actor), token)


def _user(actor: str) -> Jid:
    """Return who asks for what is theirs."""
    user = Jid.parse(actor)
    if not user.local:
        raise OperationError("this is for users; upload list and upload delete are for any account")
    return user


async def _rows(plugin: _Whole, account: Jid, limit: int) -> list[dict[str, Any]]:
    if limit < 1:
        raise OperationError("limit: a positive number is expected")
    which = store.used_by(str(account.bare)) & (FILES.c.state == State.STORED)
    found = await plugin.db.read(lambda c: store.listed(c, str(plugin.jid), which, limit))
    seconds = retention(plugin.options)
    return [
        {
            "uploaded": format_datetime(file.stored_at or file.created_at),
            "octets": file.size,
            "type": file.type,
            "kept until": "" if (end := store.end_of(file, seconds)) is None else format_datetime(end),
            "token": file.token,
            "url": plugin.url(path_of(file.token, file.name)),
        }
        for file in found
    ]


async def _delete(plugin: _Whole, account: Jid, token: str) -> str:
    which = store.used_by(str(account.bare))
    if token:
        if not TOKEN.fullmatch(token):
            raise OperationError(f"{token!r} is no token; upload list shows them")
        which = which & (FILES.c.token == token)
    count = await plugin.keeper.end(which)
    if token and not count:
        raise OperationError(f"{account.bare} has no such file", Condition.ITEM_NOT_FOUND)
    await plugin.keeper.purge()
    return f"Deleted {plural(count, 'file')}."
