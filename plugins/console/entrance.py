"""Coming in and going out: log-in with a password and perhaps a second factor, log-out, and the first run.

Nobody learns here whether there is an account, or what it may: a wrong name, a wrong password, a locked account and one
without a role get the same words, and those after the same time. Failures count together with those of XMPP clients
(:mod:`xmppd.api.guesses`).
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from markupsafe import Markup
from twisted.internet.defer import Deferred

from xmppd.api import Jid, JidError, OperationError, Permission
from xmppd.api.http import Request, Response
from xmppd.api.limits import Window
from xmppd.plugins.console import gate, totp
from xmppd.plugins.console.frame import redirected
from xmppd.plugins.console.languages import LANGUAGES, Words, chosen
from xmppd.plugins.console.rendering import Templates, link, page_response
from xmppd.plugins.console.sessions import cookie_of, hashed, new_cookie, set_cookie
from xmppd.plugins.console.store import Session

if TYPE_CHECKING:
    from xmppd.plugins.console import Console

__all__ = ["Entrance"]

_HALFWAY = 1000  # people who have shown their password and not yet a code
_HALFWAY_SECONDS = 300.0
_CODE_ATTEMPTS = 5
_CODE_FAILURES = 10  # of an account, wherever they come from: who has the password can begin again and again
_CODE_SECONDS = 3600.0


@dataclass(slots=True)
class _Halfway:
    """Somebody who has shown their password, by the hash of their cookie."""

    account: Jid
    until: float
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request of somebody who has not logged in, and the cookie their forms are bound to."""

    request: Request
    cookie: str
    words: Words
    form: Mapping[str, str]


class Entrance:
    """The pages for those who have not logged in.

    :param templates: by language.
    :param words: by language.
    """

    def __init__(self, console: Console, templates: Mapping[str, Templates], words: Mapping[str, Words]) -> None:
        self._console, self._templates, self._words = console, templates, words
        self._halfway: OrderedDict[str, _Halfway] = OrderedDict()
        self._wrong_codes = Window(_CODE_FAILURES, _CODE_SECONDS)

    async def answer(self, request: Request, path: str) -> Response:
        """Answer a request of somebody without a session."""
        cookie = cookie_of(request)
        language = chosen(request.headers.get("accept-language", ""), request.parameters().get("lang", ""))
        if request.method == "POST":
            visit = _Visit(request, cookie, self._words[language], request.form())
            if path in _POSTS and cookie:
                gate.check_post(request, cookie, visit.form.get("csrf", ""), self._console.host.web.base)
                return await _POSTS[path](self, visit)
            return redirected(request, link("login"))
        visit = _Visit(request, cookie or new_cookie(), self._words[language], {})
        if path == "login/code" and self._stands(visit) is not None:
            return self._page(visit, "code.html")
        if path == "setup":
            return self._page(visit, "setup.html", possible=await self._console.first_run())
        if path != "login":
            return redirected(request, link("login", next="" if path in _POSTS else path))
        return self._page(visit, "login.html", first_run=await self._console.first_run())

    def _page(self, visit: _Visit, template: str, status: int = 200, problem: str = "", **data: object) -> Response:
        field = Markup('<input type="hidden" name="csrf" value="{}">').format(gate.token_for(visit.cookie))
        surroundings = {
            "host": str(self._console.host.jid),
            "csrf": lambda: field,
            "languages": LANGUAGES,
            "language": visit.words.language,
            "path": visit.request.path.removeprefix("/console/"),
            "next": visit.form.get("next", visit.request.parameters().get("next", "")),
            "form": visit.form,
            "problem": problem,
            "problems": {},
            "first_run": False,
        }
        html = self._templates[visit.words.language].render(template, {**surroundings, **data})
        headers = {"Vary": "Accept-Language"}
        if visit.cookie != cookie_of(visit.request):
            headers["Set-Cookie"] = set_cookie(visit.cookie, visit.request.secure)
        return page_response(html, status, headers)

    # Logging in

    async def log_in(self, visit: _Visit) -> Response:
        """The form with name and password."""
        guesses, peer = self._console.host.guesses, visit.request.peer
        account = self._account(visit.form.get("account", ""))
        if guesses.stopped(peer, account):
            text = visit.words.gettext("There were too many failures. Wait some minutes, then try again.")
            return self._page(visit, "login.html", HTTPStatus.TOO_MANY_REQUESTS, text)
        if account is None or not await self._may_enter(account, visit.form.get("password", "")):
            return await self._refused(visit, account, "login.html", "wrong password, or no role")
        if guesses.stopped(peer, account):  # others failed while this one was under way
            text = visit.words.gettext("There were too many failures. Wait some minutes, then try again.")
            return self._page(visit, "login.html", HTTPStatus.TOO_MANY_REQUESTS, text)
        person = await self._console.store.person(str(account))
        if not person.secret:
            return await self._enter(visit, account)
        cookie, now = new_cookie(), self._console.clock.seconds()
        self._halfway[hashed(cookie)] = _Halfway(account, now + _HALFWAY_SECONDS)
        while len(self._halfway) > _HALFWAY:
            self._halfway.popitem(last=False)
        cookie_field = {"Set-Cookie": set_cookie(cookie, visit.request.secure)}
        return redirected(visit.request, link("login/code", next=visit.form.get("next", "")), cookie_field)

    def _account(self, text: str) -> Jid | None:
        """The account of a name; without a domain it is one of this host."""
        try:
            name = text.strip()
            account = Jid.parse(name) if "@" in name else Jid.of(name, self._console.host.jid.domain, "")
        except JidError:
            return None
        return account if account.local and account.is_bare else None

    async def _may_enter(self, account: Jid, password: str) -> bool:
        """It is the password that takes time; so it is looked at whatever else there is."""
        accounts = self._console.host.accounts
        right = bool(password) and await accounts.check_password(account, password)
        known = await accounts.get(account)
        role = await self._console.role_of(account)
        return right and known is not None and known.locked is None and role is not None

    async def _refused(self, visit: _Visit, account: Jid | None, template: str, why: str) -> Response:
        guesses, peer = self._console.host.guesses, visit.request.peer
        guesses.failed(peer, account)
        self._console.host.operations.note(
            "console login", {"from": peer}, str(account or "somebody"), f"failed: {why}"
        )
        if guesses.delay:
            waited: Deferred[None] = Deferred()
            self._console.later(guesses.delay, lambda: waited.callback(None))
            await waited
        if template == "code.html":
            text = visit.words.gettext("That is not the code. Wait for the next one, and type that.")
        else:
            text = visit.words.gettext("That name and password don't lead in here.")
        return self._page(visit, template, HTTPStatus.UNPROCESSABLE_ENTITY, text)

    def _stands(self, visit: _Visit) -> _Halfway | None:
        """Whose second factor is asked for."""
        found = self._halfway.get(hashed(visit.cookie))
        return found if found is not None and self._console.clock.seconds() < found.until else None

    async def show_code(self, visit: _Visit) -> Response:
        """The form with a code of the second factor, or a recovery code."""
        halfway = self._stands(visit)
        if halfway is None:
            return redirected(visit.request, link("login"))
        guesses, peer, account = self._console.host.guesses, visit.request.peer, halfway.account
        if guesses.stopped(peer, account) or halfway.attempts >= _CODE_ATTEMPTS:
            self._halfway.pop(hashed(visit.cookie), None)
            return redirected(visit.request, link("login"))
        halfway.attempts += 1
        right = not self._codes_stopped(account) and await self._is_second_factor(account, visit.form.get("code", ""))
        if self._codes_stopped(account):  # perhaps others failed while this one was under way
            text = visit.words.gettext("There were too many failures. Wait some minutes, then try again.")
            return self._page(visit, "code.html", HTTPStatus.TOO_MANY_REQUESTS, text)
        if not right:
            self._wrong_codes.add(str(account), self._console.clock.seconds())
            return await self._refused(visit, account, "code.html", "wrong code")
        self._halfway.pop(hashed(visit.cookie), None)
        return await self._enter(visit, account)

    def _codes_stopped(self, account: Jid) -> bool:
        return self._wrong_codes.full(str(account), self._console.clock.seconds())

    async def _is_second_factor(self, account: Jid, code: str) -> bool:
        store = self._console.store
        person = await store.person(str(account))
        step = totp.step_of(person.secret, code, self._console.clock.seconds()) if person.secret else None
        if step is not None:
            return await store.use_step(str(account), step)
        return await store.use_code(str(account), totp.hashed(code))

    async def _enter(self, visit: _Visit, account: Jid) -> Response:
        request, console = visit.request, self._console
        console.host.guesses.succeeded(request.peer, account)
        cookie = await console.sessions.begin(account, request)
        console.host.operations.note("console login", {"from": request.peer}, str(account))
        wanted = visit.form.get("next", "")
        return redirected(request, link(wanted), {"Set-Cookie": set_cookie(cookie, request.secure)})

    # Going out

    async def leave(self, request: Request, session: Session) -> Response:
        """Log out."""
        await self._console.store.end(session.id)
        self._console.host.operations.note("console logout", {"from": request.peer}, session.account)
        return redirected(request, link("login"), {"Set-Cookie": set_cookie("", request.secure)})

    # The first run

    async def set_up(self, visit: _Visit) -> Response:
        """The form of the first run: a code, and whom to make operator."""
        console, words, form = self._console, visit.words, visit.form
        if not await console.first_run():
            return self._page(visit, "setup.html", HTTPStatus.FORBIDDEN, possible=False)
        if console.host.guesses.stopped(visit.request.peer):
            text = words.gettext("There were too many failures. Wait some minutes, then try again.")
            return self._page(visit, "setup.html", HTTPStatus.TOO_MANY_REQUESTS, text, possible=True)
        problems = self._unfit(visit)
        if not problems and not console.setup.fits(form.get("code", "")):
            console.host.guesses.failed(visit.request.peer)
            problems["code"] = words.gettext(
                "That is not the code, or it has ended. xmppctl console setup shows another."
            )
        account = self._account(form.get("account", ""))
        if not problems and account is not None:
            problems = await self._make(account, form["password"])
        if problems or account is None:
            return self._page(visit, "setup.html", HTTPStatus.UNPROCESSABLE_ENTITY, possible=True, problems=problems)
        console.setup.void()
        return await self._enter(visit, account)

    def _unfit(self, visit: _Visit) -> dict[str, str]:
        words, form, problems = visit.words, visit.form, {}
        account = self._account(form.get("account", ""))
        if account is None or account.domain != self._console.host.jid.domain:
            problems["account"] = words.gettext("That can't be a name.")
        if len(form.get("password", "")) < self._console.options.password_min_length:
            problems["password"] = words.ngettext(
                "It needs %(num)s character at least.", "It needs %(num)s characters at least.",
                self._console.options.password_min_length,
            ) % {"num": self._console.options.password_min_length}  # fmt: skip
        elif not secrets.compare_digest(form.get("password", "").encode(), form.get("again", "").encode()):
            problems["again"] = words.gettext("That is another one than above.")
        return problems

    async def _make(self, account: Jid, password: str) -> dict[str, str]:
        """Make the account and grant the role. What is wrong, if anything?"""
        operations, actor = self._console.host.operations, "console setup"
        try:
            await operations.run("user add", {"jid": account, "password": password}, actor, Permission.OPERATOR)
            grant = {"account": account, "role": "operator"}
            await operations.run("console grant", grant, actor, Permission.OPERATOR)
        except OperationError as error:
            return {"account": str(error)}
        return {}


_POSTS = {"login": Entrance.log_in, "login/code": Entrance.show_code, "setup": Entrance.set_up}
