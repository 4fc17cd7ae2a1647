"""Where files are kept, as the rest of the plugin sees it: a folder on disk, or a bucket elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.logger import Logger

from xmppd.api.http import HttpError, Response
from xmppd.plugins.http_upload.disk import Disk
from xmppd.plugins.http_upload.serving import file_headers
from xmppd.plugins.http_upload.store import File
from xmppd.plugins.http_upload.tickets import Ticket, path_of

__all__ = ["DISK", "FolderPlace", "Place", "Unreachable", "not_found"]

DISK = "disk"


class Unreachable(Exception):
    """The place can't be worked with now; the text says why, to the operator."""


def not_found() -> HttpError:
    """The error for what is not there, or not any more."""
    return HttpError(404, "There is no such file.")


class Place(Protocol):
    """Keeps files.

    :ivar name: what the database calls it.
    :ivar grace: seconds after the end of a slot in which an upload that has begun may still go on.
    """

    name: str
    grace: float

    async def has_room(self, size: int) -> bool:
        """Is there room for so many octets? Raises Unreachable."""

    def put_url(self, ticket: Ticket, given: str) -> str:
        """Return the URL that a file is put to.

        :param given: the media type as the client has written it; "" if it has not.
        """

    async def is_whole(self, file: File) -> bool:
        """Has the file of an open slot come by a way that the server doesn't see? Raises Unreachable."""

    async def answer(self, file: File, seconds_left: float | None, head: bool) -> Response:
        """Hand out a file. Raises HttpError.

        :param head: only what the head says is wanted.
        """

    async def delete(self, tokens: Sequence[str]) -> Sequence[str]:
        """Delete files; return those that are not there any more. Raises Unreachable."""


class FolderPlace:
    """A folder of the server's own.

    :param url: returns the URL of a path.
    :param secret: returns what URLs are signed with.
    :param free_octets: returns how many octets are to stay free.
    """

    name = DISK
    grace = 0.0

    def __init__(
        self,
        disk: Disk,
        url: Callable[[str], str],
        secret: Callable[[], bytes],
        free_octets: Callable[[], int],
        log: Logger,
    ) -> None:
        self.disk = disk
        self._url, self._secret, self._free_octets, self._log = url, secret, free_octets, log

    async def has_room(self, size: int) -> bool:
        """See Place."""
        try:
            free: int = await self.disk.run(self.disk.files.free)
        except OSError as error:
            raise Unreachable(str(error)) from None
        return free - size >= self._free_octets()

    def put_url(self, ticket: Ticket, given: str) -> str:
        """See Place."""
        return self._url(f"{path_of(ticket.token, ticket.name)}?{ticket.query(self._secret())}")

    async def is_whole(self, file: File) -> bool:
        """See Place: the server sees all."""
        return False

    async def answer(self, file: File, seconds_left: float | None, head: bool) -> Response:
        """See Place."""
        if not await self.disk.run(lambda: self.disk.files.has(file.token)):
            self._log.error("the file {token} of {account} is not where it was put", token=file.token,
                            account=file.account)  # fmt: skip
            raise not_found()
        content_type, headers = file_headers(file.type, file.name, seconds_left)
        return Response.file(self.disk.files.place(file.token), content_type, headers)

    async def delete(self, tokens: Sequence[str]) -> Sequence[str]:
        """See Place."""
        try:
            await self.disk.run(lambda: self.disk.files.delete(tokens))
        except OSError as error:
            raise Unreachable(str(error)) from None
        return tokens

    async def shards(self) -> Sequence[str]:
        """The folders that files are in. Raises Unreachable."""
        try:
            found: Sequence[str] = await self.disk.run(self.disk.files.shards)
        except OSError as error:
            raise Unreachable(str(error)) from None
        return found

    async def tokens(self, shard: str) -> Sequence[str]:
        """The files in one of them. Raises Unreachable."""
        try:
            found: Sequence[str] = await self.disk.run(lambda: self.disk.files.tokens(shard))
        except OSError as error:
            raise Unreachable(str(error)) from None
        return found
