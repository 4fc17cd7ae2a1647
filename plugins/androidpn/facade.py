"""The HTTP addresses of androidpn's console, for programs that send by them: a thin layer over notifications.

They asked for nothing, and said that all went well whatever had happened. Here they ask for a token, as ``token`` among
the parameters or as ``Authorization: Bearer``, and say what has happened.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from twisted.logger import Logger

from xmppd.api import IHost, Jid, JidError, StorageUnavailable
from xmppd.api.http import Headers, HttpError, Request, Response, http_get, http_post
from xmppd.api.notifications import Draft, INotifications, NotificationError
from xmppd.plugins.androidpn.options import AndroidpnOptions

__all__ = ["Facade"]

_PAGE = 1_000  # accounts looked at in one turn
_TIME = "%Y-%m-%d %H:%M:%S"
_PLAIN = re.compile(r"[\w.@-]+")
_ACTOR = "androidpn (HTTP)"
#: What is needed of the fields of a form that has parts.
_BOUNDARY = re.compile(r'boundary="?([^";\s]{1,70})', re.IGNORECASE)
_DISPOSITION = re.compile(r"^content-disposition:[ \t]*form-data[ \t]*(;.*)", re.IGNORECASE | re.MULTILINE)
_SAID = re.compile(r';[ \t]*([a-z*]{1,20})=("[^"]*"|[^;"]*)', re.IGNORECASE)
#: What a form says that its program had nothing to say.
_NOTHING = ("None", "null")
_ABOUT = "Notifications are sent from here with action=send. What was sent is in the console, and in xmppctl.\n"


class _Whole(Protocol):
    """The plugin, as far as this part knows it."""

    host: IHost
    log: Logger

    @property
    def notifications(self) -> INotifications: ...
    @property
    def options(self) -> AndroidpnOptions: ...
    async def api(self, request: Request) -> Response: ...
    async def _send(self, request: Request) -> str: ...


class Facade:
    """Base of the plugin."""

    @http_get("/notification.do")
    async def form(self: _Whole, request: Request) -> Response:
        """Send, as the form of the old console did with either method; without that, say what this is."""
        _check_there(self.options)
        if request.parameters().get("action") != "send":
            return Response(200, _ABOUT.encode())
        return _sent(await self._send(request))

    @http_post("/notification.do")
    async def submitted(self: _Whole, request: Request) -> Response:
        """The same."""
        _check_there(self.options)
        return _sent(await self._send(request))

    @http_get("/notification_api.do")
    async def api(self: _Whole, request: Request) -> Response:
        """Send, and answer with a result: 0 if it will be sent, 1 and why if not."""
        _check_there(self.options)
        try:
            id = await self._send(request)
        except HttpError as error:
            answer = {"result": "1", "description": str(error)}
            return Response.json(answer, error.status)
        return Response.json({"result": "0", "description": "success", "id": id})

    @http_post("/notification_api.do")
    async def api_post(self: _Whole, request: Request) -> Response:
        """The same."""
        return await self.api(request)

    async def _send(self: _Whole, request: Request) -> str:
        """Send what a request asks for; return the notification's id. :raises HttpError: it can't be."""
        given = _fields(request)
        _check_token(self.host, self.options, request, given)
        for name in ("title", "message", "uri", "username", "alias", "tag", "image", "imageUrl"):
            if given.get(name) in _NOTHING:
                self.log.info("{name} was given as {text}, and is taken for empty", name=name, text=given[name])
                given[name] = ""
        draft = Draft(
            given.get("title", ""), given.get("message", ""), given.get("uri", ""),
            given.get("imageUrl") or given.get("image", ""), online_only=self.options.facade_online_only,
        )  # fmt: skip
        audience = await _audience(self.host, given)
        try:
            return await self.notifications.send(draft, audience, _ACTOR)
        except NotificationError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from None
        except StorageUnavailable as error:
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None

    @http_get("/user_api.do")
    async def users(self: _Whole, request: Request) -> Response:
        """Tell which users there are.

        Parameters: ``from``, a time (UTC), for those registered since; ``online``, 1 or 0.
        """
        _check_there(self.options)
        given = _fields(request)
        _check_token(self.host, self.options, request, given)
        since, online = _since(given.get("from", "")), given.get("online", "")
        names, after = [], ""
        while page := await self.host.accounts.list(self.host.jid.domain, after, _PAGE):
            after = str(page[-1].jid)
            for account in page:
                there = bool(self.host.sessions(account.jid))
                if account.created >= since and (online not in ("0", "1") or there == (online == "1")):
                    names.append(account.jid.local)
        return Response.json({"data": names})


def _check_there(options: AndroidpnOptions) -> None:
    if not options.facade_token:
        raise HttpError(HTTPStatus.NOT_FOUND)


def _check_token(host: IHost, options: AndroidpnOptions, request: Request, given: dict[str, str]) -> None:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else given.pop("token", "")
    if host.guesses.stopped(request.peer):
        raise HttpError(HTTPStatus.TOO_MANY_REQUESTS, "there were too many failures; try again later")
    if not hmac.compare_digest(token.encode(), options.facade_token.encode()):
        host.guesses.failed(request.peer)
        raise HttpError(HTTPStatus.UNAUTHORIZED, "the token is missing, or wrong", {"WWW-Authenticate": "Bearer"})


def _fields(request: Request) -> dict[str, str]:
    """Return all that a request gives, in whatever form. :raises HttpError: it can't be read."""
    given = request.parameters()
    if request.type == "multipart/form-data":
        given.update(_parts(request))
    elif request.body:
        given.update(request.form())
    return given


def _parts(request: Request) -> dict[str, str]:
    """Return the fields of a form as RFC 7578 has it. Files are refused, but for a field where none was chosen.

    Whoever asks has not shown a token yet, which may be one of the fields: so parts are not looked into for others.
    """
    boundary = _BOUNDARY.search(request.headers["Content-Type"])
    if boundary is None:
        raise HttpError(HTTPStatus.BAD_REQUEST, "The body is no form.")
    line = rb"(?:^|\r?\n)--" + re.escape(boundary[1].encode("latin-1", "replace")) + rb"(?:--)?[ \t]*(?:\r?\n|$)"
    _, *parts, end = [b"", *re.split(line, request.body)]
    if len(parts) < 2 or end.strip():
        raise HttpError(HTTPStatus.BAD_REQUEST, "The body is no form.")
    given = {}
    for part in parts[1:]:
        head, _, content = part.replace(b"\r\n", b"\n").partition(b"\n\n")
        disposition = _DISPOSITION.search(head.decode("utf-8", "replace"))
        said = dict(_SAID.findall(disposition[1])) if disposition else {}
        if "filename" in said or "filename*" in said:
            if content:
                raise HttpError(HTTPStatus.BAD_REQUEST, "Files are not taken here: give the picture's URL as imageUrl.")
        elif "name" in said:
            given[said["name"].strip('"')] = content.decode("utf-8", "replace").replace("\n", "\r\n")
    return given


async def _audience(host: IHost, given: dict[str, str]) -> str:
    """Return whom a request is for, as an expression. :raises HttpError: nobody."""
    broadcast = given.get("broadcast", "Y").strip().upper()
    if broadcast in ("Y", "0"):
        return "all"
    if broadcast in ("2", "3"):
        kind = "alias" if broadcast == "2" else "tag"
        return f"{kind}:{_quoted(_needed(given, kind))}"
    name = _needed(given, "username").strip()
    try:
        account = Jid.of(name.removesuffix(f"@{host.jid}"), host.jid.domain)
    except JidError as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from None
    if not await host.accounts.exists(account):
        raise HttpError(HTTPStatus.BAD_REQUEST, f"there is no user {name}")
    return f"user:{_quoted(account)}"


def _needed(given: dict[str, str], name: str) -> str:
    if not given.get(name, "").strip():
        raise HttpError(HTTPStatus.BAD_REQUEST, f"{name} is missing")
    return given[name]


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _since(text: str) -> float:
    if not text:
        return 0.0
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise HttpError(HTTPStatus.BAD_REQUEST, "from is a time as 2026-01-31 23:59:59") from None


def _sent(id: str) -> Response:
    """Send a browser back to the form, as the old console did."""
    return Response(HTTPStatus.FOUND, headers=Headers({"Location": f"notification.do?sent={id}"}))
