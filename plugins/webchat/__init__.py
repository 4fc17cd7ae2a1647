"""A web chat at /chat/: a page with converse.js, whose files come from its npm package."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from xmppd.api import Plugin
from xmppd.api.http import Headers, HttpError, Request, Response, http_get
from xmppd.plugins.webchat.options import WebchatOptions
from xmppd.plugins.webchat.package import File, NoPackage, Package, read
from xmppd.plugins.webchat.page import START, html, policy, settings

__all__ = ["Webchat"]

PATH = "/chat/"
_HOW = "`npm pack converse.js` fetches the package; the option `files` names the folder that it is unpacked to"
_LOOK_AGAIN_SECONDS = 10.0  # after a look for the package that found none
_GZIP = frozenset((".css", ".ico", ".js", ".json", ".svg", ".ttf", ".wasm"))
_FOR_EVER = "public, max-age=31536000, immutable"  # RFC 8246: another release is at another path


class Webchat(Plugin):
    """Show a web chat, converse.js, at `/chat/` of the server's HTTPS port."""

    default = False

    class Options(WebchatOptions):
        """Where converse.js is, and how it looks and logs in."""

    _package: Package | None = None
    _problem = ""
    _looked_at = 0.0

    async def start(self) -> None:
        """Look for converse.js, and tell the operator what is missing. Nobody else has to do without the server."""
        await self._look()
        self._tell()

    async def reconfigured(self, options: Any) -> None:
        """Look again: the folder may be another one, or its files."""
        await self.start()

    async def _look(self) -> None:
        self._looked_at = self.clock.seconds()
        if not self.options.files:
            self._package, self._problem = None, "the option `files` is not set"
            return
        folder = self.host.data_dir / Path(self.options.files).expanduser()
        try:
            self._package = await self.host.in_thread(partial(_prepare, folder, self._compressed))
        except NoPackage as problem:
            self._package, self._problem = None, str(problem)

    @property
    def _compressed(self) -> Path:
        """Where files are kept as they are sent; all of it can be made again."""
        return self.host.data_dir / "webchat" / self.host.jid

    def _tell(self) -> None:
        if self._package is None:
            self.log.error("There is no web chat: {problem}. {how}; see docs/web.md.", problem=self._problem, how=_HOW)
            return
        web = self.host.web
        if not (web.websocket or web.bosh):
            self.log.error("The web chat can't connect: the server has neither WebSocket nor BOSH, see [listen] https.")
        if self.options.authentication == "anonymous" and "ANONYMOUS" not in self.host.mechanisms:
            self.log.error(
                "Nobody can log in to the web chat: `authentication` is anonymous, but ANONYMOUS is not among the "
                '`mechanisms` of [hosts."{host}"].',
                host=self.host.jid,
            )
        self.log.info("converse.js {version} is at {url}", version=self._package.version, url=web.url(PATH))

    # What browsers ask for

    @http_get("/chat")
    def without_slash(self, request: Request) -> Response:
        """What the page refers to is beneath its path."""
        return Response(HTTPStatus.PERMANENT_REDIRECT, headers=Headers({"Location": PATH}))

    @http_get(PATH)
    async def answer(self, request: Request) -> Response:
        """Send the page, what belongs to it, or a file of the package: those that were found, and nothing else."""
        name = request.path.removeprefix(PATH)
        if not name:
            await self._look_for_changes()
        package = await self._found()
        assets = f"{PATH}{package.mark}"
        if not name:
            body = html(self.options.title or str(self.host.jid), self.options.language, assets)
            return _fresh(request, body, "text/html; charset=utf-8", {"Content-Security-Policy": self._policy()})
        if name == "start.js":
            return _fresh(request, START, "text/javascript; charset=utf-8")
        if name == "settings.json":
            return _fresh(request, self._settings(assets), "application/json")
        mark, _, name = name.partition("/")
        if mark != package.mark or name not in package.files:
            raise HttpError(HTTPStatus.NOT_FOUND)
        return await self._file(request, name, package.files[name], self._compressed / package.mark)

    async def _look_for_changes(self) -> None:
        """Who opens the page gets the files there are now: an update of converse.js needs nothing but its files."""
        package = self._package
        if package is not None and await self.host.in_thread(package.is_other):
            await self._look()
            self._tell()

    async def _found(self) -> Package:
        if self._package is None and self.clock.seconds() >= self._looked_at + _LOOK_AGAIN_SECONDS:
            await self._look()
            if self._package is not None:
                self._tell()
        if self._package is None:
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "The web chat is not set up; the server's log tells why.")
        return self._package

    def _urls(self) -> tuple[str, str]:
        """Where to connect by WebSocket, and by BOSH."""
        web, transport = self.host.web, self.options.transport
        return ("" if transport == "bosh" else web.websocket), ("" if transport == "websocket" else web.bosh)

    def _policy(self) -> str:
        return policy((*self._urls(), self.host.web.base, *self.options.connect))

    def _settings(self, assets: str) -> bytes:
        return settings(self.options, str(self.host.jid), *self._urls(), assets)

    async def _file(self, request: Request, name: str, file: File, compressed: Path) -> Response:
        headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
        if file.path.suffix in _GZIP and _takes_gzip(request):
            smaller = compressed / f"{name}.gz"
            try:
                await self.host.in_thread(partial(_compress, file.path, smaller))
            except OSError:
                pass  # there is no room for it, or no such file any more
            else:
                return Response.file(smaller, file.type, {**headers, "Content-Encoding": "gzip"})
        return Response.file(file.path, file.type, headers)


def _fresh(request: Request, body: bytes, type: str, more: dict[str, str] | None = None) -> Response:
    """What may be another the next time, so that browsers ask whether it is (RFC 9110 section 13.1.2)."""
    headers = {"Cache-Control": "no-cache", "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"', **(more or {})}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(HTTPStatus.NOT_MODIFIED, headers=Headers(headers))
    return Response(HTTPStatus.OK, body, type, Headers(headers))


def _takes_gzip(request: Request) -> bool:
    """RFC 9110 section 12.5.3; who gives gzip a weight of nothing does not want it."""
    for coding in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False


def _prepare(folder: Path, compressed: Path) -> Package:
    """Read the package, and forget what was compressed of another."""
    package = read(folder)
    with suppress(OSError):
        for old in compressed.iterdir():
            if old.name != package.mark:
                shutil.rmtree(old, ignore_errors=True)
    return package


def _compress(source: Path, target: Path) -> None:
    """Write a file as it is sent, unless that is done; whoever reads the target finds the whole of it, or nothing.

    :raises OSError: it can't be, or there is no such file any more.
    """
    source.stat()
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.urandom(8).hex()}")
    try:
        unfinished.write_bytes(gzip.compress(source.read_bytes(), 9, mtime=0))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
