"""The console at /console/: what operators and administrators do, in a browser.

Pages are rendered here, and refreshed by htmx; :mod:`xmppd.plugins.console.pages` says how they are declared. All they
change is done by operations.
"""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus

from pydantic import field_validator

from xmppd.api import AccountDeleted, Field, Jid, Plugin, observe
from xmppd.api.http import Headers, HttpError, Request, Response, http_get, http_post
from xmppd.plugins.console import gate
from xmppd.plugins.console.building import Built, build
from xmppd.plugins.console.operating import ConsoleOperations
from xmppd.plugins.console.rendering import ROOT
from xmppd.plugins.console.roles import ROLES, Role, RoleName
from xmppd.plugins.console.sessions import Sessions, cookie_of
from xmppd.plugins.console.setup import SetupCode
from xmppd.plugins.console.store import TABLES, Store

__all__ = ["Console"]

_SETUP_SECONDS = 3600.0
_TIDY_SECONDS = 3600.0
_FOR_EVER = "public, max-age=31536000, immutable"  # RFC 8246: what has changed is at another path
_OPERATORS, _ADMINS, _GRANTED = "operators", "admins", "console grant"


class Console(ConsoleOperations, Plugin):
    """Show the console, where operators and administrators do their work in a browser, at `/console/`."""

    tables = TABLES

    class Options(Plugin.Options):
        """Who may come in, from where, and for how long."""

        networks: tuple[str, ...] = Field(
            gate.LOOPBACK, description="Networks whose addresses may see the console, such as `192.0.2.0/24`; see "
            "docs/console.md for how to get there from elsewhere.",
        )  # fmt: skip
        operators: tuple[str, ...] = Field(
            (), description="Accounts that may do everything on the whole server; `xmppctl console grant` makes others."
        )
        idle_minutes: float = Field(
            30.0, gt=0, description="Minutes without a click until somebody has to log in again."
        )
        session_hours: float = Field(12.0, gt=0, description="Hours until they have to anyway.")
        password_min_length: int = Field(10, ge=1, description="Characters a password has at least that is set here.")

        @field_validator("networks")
        @classmethod
        def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
            gate.Networks(networks)
            return networks

        @field_validator("operators")
        @classmethod
        def _are_accounts(cls, operators: tuple[str, ...]) -> tuple[str, ...]:
            for text in operators:
                account = Jid.parse(text)
                if not account.local or not account.is_bare:
                    raise ValueError(f"{text!r} is not the address of an account, such as romeo@example.org")
            return operators

    async def start(self) -> None:
        """Offer the first run if nobody could log in, and forget old sessions now and then."""
        self.store = Store(self.db, str(self.host.jid))
        self.sessions = Sessions(
            self.store,
            self.host.accounts,
            self.clock,
            lambda: float(self.options.idle_minutes * 60),
            lambda: float(self.options.session_hours * 3600),
        )
        self.setup = SetupCode(self.clock, _SETUP_SECONDS)
        self._networks = gate.Networks(self.options.networks)
        self.every(_TIDY_SECONDS, self.sessions.end_old)
        if await self.first_run():
            self.log.info(
                "Nobody may use the console yet. Who opens {page} within an hour and types {code} there makes an "
                "account that is its operator. `xmppctl console setup` shows another code.",
                page=self.address("setup"), code=self.setup.new(),
            )  # fmt: skip

    async def reconfigured(self, options: object) -> None:
        """Take other networks."""
        self._networks = gate.Networks(self.options.networks)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Who makes an account of the same name later is somebody else."""
        await self.store.forget(str(event.account))

    # Who is who

    async def everybody(self) -> dict[str, tuple[RoleName, str]]:
        """Return roles by account, and where each comes from: of several the mightiest."""
        found: dict[str, tuple[RoleName, str]] = {}
        given: list[tuple[str, str, str]] = [
            (account, role, _GRANTED) for account, role in (await self.store.roles()).items()
        ]
        given += [(str(account), "admin", _ADMINS) for account in self.host.admins]
        given += [(str(Jid.parse(account)), "operator", _OPERATORS) for account in self.options.operators]
        order = list(ROLES)
        for account, name, source in given:
            if name in ROLES and (account not in found or order.index(name) < order.index(found[account][0])):
                found[account] = (ROLES[name].name, source)
        return found

    async def role_of(self, account: Jid) -> Role | None:
        """Return what somebody is to the console of this host, if anything."""
        found = (await self.everybody()).get(str(account))
        return None if found is None else ROLES[found[0]]

    async def first_run(self) -> bool:
        """Is nobody there who could let others in: no administrator of this host, and no operator of the server?"""
        here = (account for account, (role, _) in (await self.everybody()).items() if role in ("operator", "admin"))
        for account in {*here, *await self.store.operators()}:
            if await self.host.accounts.exists(Jid.parse(account)):
                return False
        return True

    def address(self, path: str) -> str:
        """Return where a page is; the server may not know by which name it is reached."""
        return self.host.web.url(ROOT + path) or f"{ROOT}{path} (on the port of `http` or `https` under [listen])"

    # HTTP

    @cached_property
    def _built(self) -> Built:
        """Made for the first who asks: most of the time there is nobody."""
        return build(self)

    @http_get("/console")
    def without_slash(self, request: Request) -> Response:
        """What pages refer to is beneath their path."""
        return Response(HTTPStatus.PERMANENT_REDIRECT, headers=Headers({"Location": ROOT}))

    @http_get(ROOT)
    async def get(self, request: Request) -> Response:
        """Show a page, or send a file that belongs to it."""
        path = request.path.removeprefix(ROOT)
        gate.check_peer(request, self._networks)
        if path.startswith("static/"):
            return self._file(path)
        return await self._answer(request, path)

    @http_post(ROOT)
    async def post(self, request: Request) -> Response:
        """Do something."""
        gate.check_peer(request, self._networks)
        return await self._answer(request, request.path.removeprefix(ROOT))

    async def _answer(self, request: Request, path: str) -> Response:
        built, cookie = self._built, cookie_of(request)
        session = await self.sessions.current(cookie, "x-poll" in request.headers)
        if session is None:
            return await built.entrance.answer(request, path)
        if request.method == "POST" and path == "logout":
            gate.check_post(request, cookie, request.form().get("csrf", ""), self.host.web.base)
            return await built.entrance.leave(request, session)
        answer = await built.frame.answer(request, path, session, cookie)
        if answer is None:  # the role was taken
            await self.store.end(session.id)
            return await built.entrance.answer(request, path)
        return answer

    def _file(self, path: str) -> Response:
        asset = self._built.assets.get(path.rpartition("/")[2])
        if asset is None or path != asset.path:
            raise HttpError(HTTPStatus.NOT_FOUND)
        return Response(HTTPStatus.OK, asset.content, asset.type, Headers({"Cache-Control": _FOR_EVER}))
