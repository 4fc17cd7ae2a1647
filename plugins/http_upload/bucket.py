"""Files in a bucket of S3, or of what speaks the same: clients send them there and get them there, by signed URLs.

What a client puts is bound by the signature: one object, its length, and the type if it has said one. S3 keeps an
object when it has come whole, and not before. The server asks for it when somebody wants it for the first time, or when
the slot has ended; that is how it learns of uploads. Who wants a file asks the server, which sends them on to the
bucket, so that what is deleted or has ended is gone at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from xmppd.api import IHost
from xmppd.api.http import Headers, Response
from xmppd.api.network import NoConnection
from xmppd.plugins.http_upload.options import S3
from xmppd.plugins.http_upload.places import Unreachable
from xmppd.plugins.http_upload.serving import file_headers
from xmppd.plugins.http_upload.signing import Signer
from xmppd.plugins.http_upload.store import File
from xmppd.plugins.http_upload.tickets import Ticket

__all__ = ["BucketPlace", "base_url"]

_MINUTE = 60
_GONE = frozenset((200, 202, 204, 404))
_HOUR = 3600.0


def base_url(options: S3) -> str:
    """Return what the URLs of all objects begin with."""
    if options.path_style:
        return f"{options.endpoint}/{options.bucket}"
    scheme, _, host = options.endpoint.partition("://")
    return f"{scheme}://{options.bucket}.{host}"


class BucketPlace:
    """See the module. Implements :class:`~xmppd.plugins.http_upload.places.Place`."""

    grace = _HOUR

    def __init__(self, host: IHost, options: S3, log: Logger) -> None:
        self._host, self._options, self._log = host, options, log
        self.name = f"s3:{options.bucket}"
        secret = options.secret_key.get_secret_value()
        self._signer = Signer(base_url(options), options.region, options.access_key, secret)

    def _key(self, token: str) -> str:
        return f"{self._options.prefix}{self._host.jid}/{token}"

    async def has_room(self, size: int) -> bool:
        """See Place: as far as anybody knows."""
        return True

    def put_url(self, ticket: Ticket, given: str) -> str:
        """See Place."""
        headers = {"content-length": str(ticket.size)}
        if given:
            headers["content-type"] = given
        now = self._host.clock.seconds()
        return self._signer.url("PUT", self._key(ticket.token), now, int(ticket.until - now), headers)

    async def is_whole(self, file: File) -> bool:
        """See Place."""
        response = await self._ask("HEAD", file.token)
        if response.status == 200:
            return response.headers.get("content-length", "") == str(file.size)
        if response.status == 404:
            return False
        raise Unreachable(f"it has answered {response.status} to HEAD")

    async def answer(self, file: File, seconds_left: float | None, head: bool) -> Response:
        """See Place."""
        content_type, headers = file_headers(file.type, file.name, seconds_left)
        seconds = self._options.get_seconds if seconds_left is None else min(self._options.get_seconds, seconds_left)
        query = {
            "response-cache-control": headers["Cache-Control"],
            "response-content-disposition": headers["Content-Disposition"],
            "response-content-type": content_type,
        }
        key, now = self._key(file.token), self._host.clock.seconds()
        url = self._signer.url("HEAD" if head else "GET", key, now, max(1, int(seconds)), query=query)
        return Response(302, b"", headers=Headers({"Location": url, "Cache-Control": "no-store"}))

    async def delete(self, tokens: Sequence[str]) -> Sequence[str]:
        """See Place."""
        deleted: list[str] = []
        for token in tokens:
            try:
                response = await self._ask("DELETE", token)
            except Unreachable:
                if not deleted:
                    raise
                break
            if response.status not in _GONE:
                text = response.body[:200].decode("utf-8", "replace")
                self._log.error("{place} has answered {status} to DELETE: {text}", place=self.name,
                                status=response.status, text=text)  # fmt: skip
                break
            deleted.append(token)
        return deleted

    async def _ask(self, method: str, token: str) -> Response:
        url = self._signer.url(method, self._key(token), self._host.clock.seconds(), _MINUTE)
        try:
            return await self._host.network.fetch(method, url, timeout=self._options.timeout_seconds)
        except NoConnection as error:
            raise Unreachable(str(error)) from None
