"""XEP-0363 HTTP File Upload."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xmppd.api import AccountDeleted, Condition, Iq, StanzaError, StorageUnavailable, iq_get, observe
from xmppd.api.disco import DiscoComponent, DiscoInfo
from xmppd.api.figures import Figure
from xmppd.api.http import Body, Request, Response, http_get, http_stream
from xmppd.plugins.http_upload import slots, store
from xmppd.plugins.http_upload.bucket import BucketPlace
from xmppd.plugins.http_upload.disk import Disk, Files
from xmppd.plugins.http_upload.granting import Grants, largest, no_room, offered, retention
from xmppd.plugins.http_upload.keeping import Keeper
from xmppd.plugins.http_upload.operating import UploadOperations
from xmppd.plugins.http_upload.options import UploadOptions
from xmppd.plugins.http_upload.places import DISK, FolderPlace, Place, Unreachable, not_found
from xmppd.plugins.http_upload.quotas import DAY
from xmppd.plugins.http_upload.receiving import Uploads
from xmppd.plugins.http_upload.store import File, State
from xmppd.plugins.http_upload.tables import FILES, TABLES
from xmppd.plugins.http_upload.tickets import PREFIX, SECRET_OCTETS, path_of, read_path
from xmppd.wire.disco import INFO, ITEMS

NS = slots.NS


class HttpUpload(UploadOperations, DiscoComponent):
    """Let users upload files by HTTP, and share them by their addresses."""

    label = "upload"
    xep = (363, "1.2.0")
    features = (NS,)
    tables = TABLES

    class Options(UploadOptions):
        """Who may upload what, and where it is kept."""

    async def start(self) -> None:
        await self._open()
        self.later(0, self._sweep)
        self.every(DAY, self._sweep)

    async def _open(self) -> None:
        self._opened = (self.jid, self._path())
        service, new = str(self.jid), secrets.token_bytes(SECRET_OCTETS)
        self._secret = await self.db.write(lambda c: store.service_secret(c, service, new))
        self._folder = FolderPlace(
            Disk(Files(self._path()), self.host.in_thread), self.url, lambda: self._secret,
            lambda: self.options.free_octets, self.log,
        )  # fmt: skip
        self.grants = Grants(self.host, self.jid, lambda: self.options)
        self.uploads = Uploads(self.host, self._folder.disk, lambda: self._secret, self.log)
        self.keeper = Keeper(
            self.host, self.jid, lambda: self.options, lambda: self._places, self.uploads.receiving, self.log
        )
        self.downloads = 0
        self._take_options()
        await self._clean()
        await self._count()

    async def _clean(self) -> None:
        """Delete what a server that was killed has left of uploads. Their slots are good as long as they were."""
        which = (FILES.c.place == DISK) & (FILES.c.state == State.OPEN)
        slots = await self.db.read(lambda c: store.listed(c, str(self.jid), which))
        tokens = [slot.token for slot in slots]
        left = await self.host.in_thread(lambda: self._folder.disk.files.clean(tokens))
        if left:
            self.log.info("deleted what there was of {count} uploads that were not complete", count=left)

    async def reconfigured(self, options: Any) -> None:
        """Take other options. Under another domain, or in another folder, there are other files."""
        if (self.jid, self._path()) != self._opened:
            self._purging.cancel()
            await self._open()
        else:
            self._purging.cancel()
            self._take_options()

    def _take_options(self) -> None:
        options: UploadOptions = self.options
        self.identities = (("store", "file", options.name),)
        self.grants.reconfigure()
        self._places: dict[str, Place] = {DISK: self._folder}
        self._place: Place = self._folder
        if options.s3.endpoint:
            self._place = BucketPlace(self.host, options.s3, self.log)
            self._places[self._place.name] = self._place
        self._purging = self.every(options.purge_seconds, self._purge)

    def _path(self) -> Path:
        return self.host.data_dir / (self.options.folder or "http_upload") / str(self.host.jid)

    def url(self, path: str) -> str:
        """Return the URL of a path, or "" if nobody reaches it."""
        base = self.options.url or self.host.web.base
        return base and base + path

    @property
    def offered(self) -> bool:
        """See Component: it needs HTTP that clients reach."""
        return bool(self.url(""))

    # What it is

    @iq_get(INFO, "query")
    async def disco_info(self, request: Iq) -> Iq:
        """Answer for the service, if it is one."""
        self._check()
        return await super().disco_info(request)

    @iq_get(ITEMS, "query")
    async def disco_items(self, request: Iq) -> Iq:
        """The same."""
        self._check()
        return await super().disco_items(request)

    def _check(self) -> None:
        if not self.offered:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> None:
        """Say how large files may be, and what for (XEP-0363 4, 6)."""
        if event.entity == self.jid and not event.node and self.offered:
            event.features += [purpose.feature for purpose in offered(self.options)]
            event.add_form(slots.form(largest(self.options)))

    # Slots

    @iq_get(NS, "request")
    async def slot(self, request: Iq) -> Iq:
        """Give a slot (XEP-0363 5)."""
        self._check()
        asker = request.sender
        if not await self.grants.may(asker):
            raise slots.strange()
        wish = slots.read(request.request, self.clock.seconds(), self.options.name_octets)
        self.grants.check(asker, wish)
        place = self._place
        try:
            room = await place.has_room(wish.size)
        except Unreachable as error:
            self.log.error("files can't be kept in {place}: {reason}", place=place.name, reason=str(error))
            room = False
        if not room:
            self.log.error("there is no room for uploads in {place}", place=place.name)
            raise no_room()
        ticket = await self.grants.reserve(asker, wish, place.name)
        return request.result(
            slots.slot(place.put_url(ticket, wish.given), self.url(path_of(ticket.token, ticket.name)))
        )

    # Files

    @http_stream("PUT", PREFIX, cors=True)
    async def put(self, request: Request, body: Body) -> Response:
        """Receive a file (XEP-0363 8)."""
        return await self.uploads.put(request, body)

    @http_get(PREFIX, cors=True)
    async def get(self, request: Request) -> Response:
        """Hand out a file."""
        where = read_path(request.path)
        if where is None:
            raise not_found()
        token, name = where
        file = await self.db.read(lambda c: store.find(c, token))
        if file is None or file.name != name or file.service != self.jid:
            raise not_found()
        place = self._places.get(file.place)
        if place is None:
            self.log.error("{file} is in {place}, which the options don't name", file=token, place=file.place)
            raise not_found()
        now = self.clock.seconds()
        end = store.end_of(file, retention(self.options))
        if (end is not None and end <= now) or not await self._is_there(file, place, now):
            raise not_found()
        self.downloads += 1
        return await place.answer(file, None if end is None else end - now, request.head)

    async def _is_there(self, file: File, place: Place, now: float) -> bool:
        """Is a file there? Those that were uploaded to elsewhere are looked for when they are first wanted."""
        if file.state != State.OPEN:
            return file.state == State.STORED
        try:
            return await place.is_whole(file) and await self.db.write(lambda c: store.keep(c, file.token, now))
        except Unreachable as error:
            self.log.error("{place} can't be asked for uploads: {reason}", place=place.name, reason=str(error))
            return False

    # Ends

    async def _purge(self) -> None:
        try:
            count = await self.keeper.purge()
            await self._count()
        except StorageUnavailable as error:
            self.log.warn("files are deleted when the database can be used again: {reason}", reason=error.reason)
            return
        if count:
            self.log.info("deleted {count} files that have ended", count=count)

    async def _sweep(self) -> None:
        try:
            await self.keeper.sweep(self._folder)
        except StorageUnavailable as error:
            self.log.warn("files can't be compared with the database: {reason}", reason=error.reason)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete what somebody has uploaded."""
        account = str(event.account)
        if await self.db.write(lambda c: store.disown(c, account)):
            self.host.spawn(self._purge(), "deleting the files of an account")

    async def _count(self) -> None:
        self._totals = await self.db.read(lambda c: store.totals(c, str(self.jid)))

    def figures(self) -> Iterable[Figure]:
        yield Figure("files", "Files there are, and slots that wait for theirs, when it was last looked.",
                     self._totals.files)  # fmt: skip
        yield Figure("octets", "What these have.", self._totals.octets)
        yield Figure("slots", "Slots that were given.", self.grants.granted, grows=True)
        yield Figure("refused_slots", "Slots that were not, because of a quota.", self.grants.refused, grows=True)
        yield Figure("receiving", "Uploads that are under way.", len(self.uploads.receiving))
        yield Figure("uploads", "Files that were uploaded.", self.uploads.stored, grows=True)
        yield Figure("upload_octets", "What these had.", self.uploads.octets, grows=True)
        yield Figure("failed_uploads", "Uploads that were not whole.", self.uploads.failed, grows=True)
        yield Figure("downloads", "Requests for files.", self.downloads, grows=True)
        yield Figure("deleted", "Files that were deleted.", self.keeper.deleted, grows=True)
