"""Uploads: from the head of a PUT request to the file in its place (XEP-0363 8).

A file is received beside its place, moved there when it is on disk whole, and then the database is told; from that on
it can be got. What ends before leaves nothing behind, and the slot may be tried again as long as it is good.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from http import HTTPStatus

from twisted.logger import Logger

from xmppd.api import IHost, StorageUnavailable
from xmppd.api.http import Body, HttpError, Request, Response
from xmppd.plugins.http_upload import store
from xmppd.plugins.http_upload.disk import Disk, Incoming
from xmppd.plugins.http_upload.names import OCTETS, media_type
from xmppd.plugins.http_upload.store import File, State
from xmppd.plugins.http_upload.tickets import Forged, Ticket, read_path

__all__ = ["Uploads", "check_head"]

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


def check_head(request: Request, length: int | None, secret: bytes, now: float) -> Ticket:
    """Look at the head of a PUT request.

    :param length: of its body, if it is known.
    :raises HttpError: what it says is not what the slot is for.
    """
    where = read_path(request.path)
    if where is None:
        raise HttpError(HTTPStatus.NOT_FOUND, "There is no such slot.")
    try:
        ticket = Ticket.read(*where, request.query, secret)
    except Forged:
        raise HttpError(HTTPStatus.FORBIDDEN, "This is no address of a slot.") from None
    if ticket.until < now:
        raise HttpError(HTTPStatus.FORBIDDEN, "The slot has ended; ask for another one.")
    if length is None:
        raise HttpError(HTTPStatus.LENGTH_REQUIRED, f"The Content-Length has to be {ticket.size}.")
    if length != ticket.size:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if length > ticket.size else HTTPStatus.BAD_REQUEST
        raise HttpError(status, f"The Content-Length has to be {ticket.size}, not {length}.")
    if ticket.type and ticket.type != _type_of(request):
        raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The Content-Type has to be {ticket.type}.")
    return ticket


def _type_of(request: Request) -> str:
    try:
        return media_type(request.headers.get("content-type", "")) or OCTETS
    except ValueError:
        return ""


class Uploads:
    """Receives files.

    :param secret: returns what URLs are signed with.
    :ivar receiving: tokens of those that are being received.
    :ivar stored: how many files were received. `octets`: of them. `failed`: how many were not received whole.
    """

    def __init__(self, host: IHost, disk: Disk, secret: Callable[[], bytes], log: Logger) -> None:
        self._host, self._disk, self._secret, self._log = host, disk, secret, log
        self.receiving: set[str] = set()
        self._unsettled: set[str] = set()  # in their places, and nobody knows whether the database was told
        self.stored = self.octets = self.failed = 0

    async def put(self, request: Request, body: Body) -> Response:
        """Answer a PUT request. Raises HttpError, StorageUnavailable, BodyLost."""
        ticket = check_head(request, body.length, self._secret(), self._host.clock.seconds())
        if ticket.token in self.receiving:
            raise HttpError(HTTPStatus.CONFLICT, "The file is being uploaded already.")
        self.receiving.add(ticket.token)
        try:
            file = await self._host.db.read(lambda c: store.find(c, ticket.token))
            if file is None or file.state > State.STORED:
                raise HttpError(HTTPStatus.NOT_FOUND, "There is no such slot.")
            if file.state != State.OPEN:
                raise HttpError(HTTPStatus.CONFLICT, "The file is there already.")
            if file.token in self._unsettled:  # by now it is known: it was not
                await self._disk.run(lambda: self._disk.files.delete([file.token]))
                self._unsettled.discard(file.token)
            await self._receive(file, body)
        finally:
            self.receiving.discard(ticket.token)
        return Response.text("The file is there.", HTTPStatus.CREATED)

    async def _receive(self, file: File, body: Body) -> None:
        incoming: Incoming | None = None
        received = 0
        try:
            incoming = await self._disk.receive(file.token)
            async for chunk in body:
                received += len(chunk)
                await incoming.write(chunk)
            if received != file.size:
                raise HttpError(HTTPStatus.BAD_REQUEST, f"These were {received} octets, not {file.size}.")
            await incoming.finish()
            await self._keep(file)
        except StorageUnavailable:
            self.failed += 1
            if incoming is not None:
                await self._settle(file, incoming)
            raise
        except Exception as error:
            self.failed += 1
            if incoming is not None:
                await self._discard(incoming)
            if isinstance(error, FileExistsError):
                raise HttpError(HTTPStatus.CONFLICT, "The file is there already.") from None
            if isinstance(error, OSError):
                self._refuse(file, error)
            raise

    async def _keep(self, file: File) -> None:
        now = self._host.clock.seconds()
        if not await self._host.db.write(lambda c: store.keep(c, file.token, now)):
            raise HttpError(HTTPStatus.NOT_FOUND, "The slot has ended.")
        self.stored, self.octets = self.stored + 1, self.octets + file.size
        self._log.info("{account} has uploaded {octets} octets ({type}): {token}", account=file.account,
                       octets=file.size, type=file.type or "type not said", token=file.token)  # fmt: skip

    async def _settle(self, file: File, incoming: Incoming) -> None:
        """Find out whether the database was told of a file: a connection lost while it commits leaves that open.

        If it can't be asked either, the file stays where it is: it is there if it was told, and goes when the slot is
        tried again, or when the server starts, if it was not.
        """
        try:
            row = await self._host.db.read(lambda c: store.find(c, file.token))
        except StorageUnavailable:
            self._unsettled.add(file.token)
            return
        if row is None or row.state != State.STORED:
            await self._discard(incoming)

    def _refuse(self, file: File, error: OSError) -> None:
        self._log.error("an upload of {octets} octets by {account} could not be written: {reason}", octets=file.size,
                        account=file.account, reason=str(error))  # fmt: skip
        if error.errno in _FULL:
            raise HttpError(HTTPStatus.INSUFFICIENT_STORAGE, "The disk is full.") from None
        raise HttpError(HTTPStatus.INTERNAL_SERVER_ERROR, "The file could not be written.") from None

    async def _discard(self, incoming: Incoming) -> None:
        try:
            await incoming.discard()
        except OSError as error:
            self._log.error("what there is of an upload could not be deleted: {reason}", reason=str(error))
