"""What is deleted, and when: files that have ended, slots nobody used, and what nobody knows of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from sqlalchemy import ColumnElement
from twisted.logger import Logger

from xmppd.api import IHost, Jid
from xmppd.plugins.http_upload import store
from xmppd.plugins.http_upload.granting import retention
from xmppd.plugins.http_upload.options import UploadOptions
from xmppd.plugins.http_upload.places import FolderPlace, Place, Unreachable
from xmppd.plugins.http_upload.store import State
from xmppd.plugins.http_upload.tables import FILES

__all__ = ["Keeper"]


class Keeper:
    """Deletes, in small portions and in threads: a million files hold nobody up.

    :param receiving: tokens of files that are being received.
    :param places: where files are, by name.
    :ivar deleted: how many files were deleted.
    """

    def __init__(
        self,
        host: IHost,
        service: Jid,
        options: Callable[[], UploadOptions],
        places: Callable[[], Mapping[str, Place]],
        receiving: Collection[str],
        log: Logger,
    ) -> None:
        self._host, self._service, self._options, self._places = host, str(service), options, places
        self._receiving, self._log = receiving, log
        self.deleted = 0
        self._busy = False

    async def purge(self) -> int:
        """End what has to end, and delete what has ended; return how many files that were. Once at a time."""
        if self._busy:
            return 0
        self._busy = True
        try:
            now, seconds = self._host.clock.seconds(), retention(self._options())
            for place in self._places().values():
                await self._end_slots(place, now - place.grace)
            for which in store.expired(now, seconds):
                await self.end(which)
            await self._host.db.write(lambda c: store.forget(c, self._service, now))
            return await self._delete()
        finally:
            self._busy = False

    async def end(self, which: ColumnElement[bool]) -> int:
        """End files and slots, so that nobody sees them any more; return how many."""
        limit, total = self._options().purge_files, 0
        while True:
            count = await self._host.db.write(lambda c: store.end(c, self._service, which, limit))
            total += count
            if count < limit:
                return total

    async def _end_slots(self, place: Place, now: float) -> None:
        """End slots nobody has used; where clients upload to elsewhere, look whether they did."""
        limit, after = self._options().purge_files, ""
        while True:
            which = store.unused(now, place.name) & (FILES.c.token > after)
            found = await self._host.db.read(partial(store.slots, service=self._service, which=which, limit=limit))
            idle = []
            for file in found:
                after = file.token
                if file.token in self._receiving:
                    continue
                try:
                    whole = await place.is_whole(file)
                except Unreachable as error:
                    self._log.error("{place} can't be asked for uploads: {reason}", place=place.name, reason=str(error))
                    break
                if whole:
                    await self._host.db.write(partial(store.keep, token=file.token, now=file.until))
                else:
                    idle.append(file.token)
            if idle:
                await self.end(FILES.c.token.in_(idle) & (FILES.c.state == State.OPEN))
            if len(found) < limit or found[-1].token != after:
                return

    async def _delete(self) -> int:
        """Delete files that nobody sees any more; those that can't be deleted now are tried again another time."""
        limit, total, places = self._options().purge_files, 0, dict(self._places())
        while True:
            query = partial(store.ended, service=self._service, places=list(places), limit=limit)
            found = await self._host.db.read(query)
            for name in {one.place for one in found}:
                tokens = [one.token for one in found if one.place == name]
                try:
                    gone = await places[name].delete(tokens)
                except Unreachable as error:
                    self._log.error("files can't be deleted in {place}: {reason}", place=name, reason=str(error))
                    del places[name]
                    continue
                await self._host.db.write(partial(store.removed, tokens=gone))
                total += len(gone)
                if len(gone) < len(tokens):
                    del places[name]
            if len(found) < limit or not places:
                self.deleted += total
                return total

    async def sweep(self, place: FolderPlace) -> int:
        """Delete files in the folder that the database doesn't know, and return how many.

        There are none, unless the server was killed while it deleted, or the database is from a backup.
        """
        total = 0
        try:
            for shard in await place.shards():
                tokens = await place.tokens(shard)
                known = await self._host.db.read(partial(store.known, tokens=tokens))
                strangers = [token for token in tokens if token not in known]
                if strangers:
                    await place.delete(strangers)
                    total += len(strangers)
        except Unreachable as error:
            self._log.error("the folder of uploads can't be looked through: {reason}", reason=str(error))
        if total:
            self._log.warn("deleted {count} files that the database doesn't know", count=total)
        return total
