"""The frame around all pages: who is asking, what they may, and what becomes of what they ask for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from xmppd.api import Condition, Jid, OperationError, StorageUnavailable
from xmppd.api.http import Headers, Request, Response
from xmppd.plugins.console import gate
from xmppd.plugins.console.languages import LANGUAGES, Words, chosen
from xmppd.plugins.console.own import Own
from xmppd.plugins.console.pages import Action, Asked, Done, FormError, Page, User, View, filled
from xmppd.plugins.console.rendering import Templates, link, page_response
from xmppd.plugins.console.roles import allowed
from xmppd.plugins.console.site import Found, Site
from xmppd.plugins.console.store import Session
from xmppd.plugins.console.vocabulary import problem

if TYPE_CHECKING:
    from xmppd.plugins.console import Console

__all__ = ["Frame", "redirected"]

_FLASHES = 1000
_BEFORE = ("login", "login/code", "setup")  # pages of those who have no session
_STATUS = {
    Condition.ITEM_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Condition.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Condition.CONFLICT: HTTPStatus.CONFLICT,
    Condition.RESOURCE_CONSTRAINT: HTTPStatus.SERVICE_UNAVAILABLE,
    Condition.INTERNAL_SERVER_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Frame:
    """Answers the requests of those who have logged in.

    :param templates: by language.
    :param words: by language.
    """

    def __init__(
        self, console: Console, site: Site, templates: Mapping[str, Templates], words: Mapping[str, Words]
    ) -> None:
        self._console, self._site, self._templates, self._words = console, site, templates, words
        self._flashes: OrderedDict[str, str] = OrderedDict()  # a word for somebody's next page, by session

    async def answer(self, request: Request, path: str, session: Session, cookie: str) -> Response | None:
        """Answer a request of somebody with a session; None if they may not use the console any more."""
        user = await self._user(session, request.headers.get("accept-language", ""))
        if user is None:
            return None
        if request.method == "GET" and path in _BEFORE:
            return redirected(request, link())
        query = {name: value for name, value in request.parameters().items() if value}
        asked = Asked(
            self._console.host, user, self._words[user.language], path, query, own=Own(self._console, user.jid, session)
        )
        if request.method == "POST":
            asked.form = request.form()
            return await self._act(request, asked, cookie)
        found = self._site.page(path, user)
        if found is None:
            return self._missing(asked, cookie)
        return await self._show(request, asked, found, cookie)

    async def _user(self, session: Session, accepted: str) -> User | None:
        account = Jid.parse(session.account)
        role = await self._console.role_of(account)
        if role is None:
            return None
        person = await self._console.store.person(session.account)
        language = chosen(accepted, person.language)
        return User(account, role, language, allowed(role, self._console.host.operations))

    # Pages

    async def _show(
        self, request: Request, asked: Asked, found: Found[Page], cookie: str, status: int = 200
    ) -> Response:
        try:
            shown = await found.what.handler(asked, **found.parts)
        except OperationError as error:
            said = problem(str(error), asked.words.gettext)
            return self._problem(asked, said, _STATUS.get(error.condition, HTTPStatus.BAD_REQUEST), cookie)
        except StorageUnavailable as error:
            text = asked.gettext("The database can't be used now: %(reason)s.", reason=error.reason)
            return self._problem(asked, text, HTTPStatus.SERVICE_UNAVAILABLE, cookie)
        if status != HTTPStatus.OK:
            shown = replace(shown, status=status)
        return self._rendered(request, asked, shown, found.what, cookie)

    def _rendered(self, request: Request | None, asked: Asked, shown: View, page: Page | None, cookie: str) -> Response:
        target = request.headers.get("hx-target", "") if request is not None else ""
        flash = "" if request is not None and "hx-request" in request.headers else self._flashes.pop(asked.session, "")
        data = {**self._surroundings(asked, page, cookie), "flash": flash, **shown.data}
        now = self._console.clock.seconds()
        html = self._templates[asked.user.language].render(shown.template, data, target, now)
        return page_response(html, shown.status, {"Vary": "HX-Target"})

    def _surroundings(self, asked: Asked, page: Page | None, cookie: str) -> dict[str, Any]:
        """What all templates have."""
        field = Markup('<input type="hidden" name="csrf" value="{}">').format(gate.token_for(cookie))
        return {
            "asked": asked,
            "user": asked.user,
            "may": asked.may,
            "page": page,
            "host": str(self._console.host.jid),
            "menu": self._site.menu(asked.user),
            "csrf": lambda: field,
            "languages": LANGUAGES,
        }

    # Actions

    async def _act(self, request: Request, asked: Asked, cookie: str) -> Response:
        gate.check_post(request, cookie, asked.form.get("csrf", ""), self._console.host.web.base)
        found = self._site.action(asked.path, asked.user)
        if found is None:
            return self._missing(asked, cookie)
        try:
            outcome = await found.what.handler(asked, **found.parts)
        except FormError as error:
            return await self._again(request, asked, found, error.problems, cookie)
        except OperationError as error:
            return await self._again(request, asked, found, _problems(error, asked), cookie)
        if isinstance(outcome, View):
            page = self._site.page(filled(found.what.again, found.parts), asked.user)
            return self._rendered(request, asked, outcome, page.what if page else None, cookie)
        return self._done(request, asked, outcome)

    async def _again(
        self, request: Request, asked: Asked, found: Found[Action], problems: Mapping[str, str], cookie: str
    ) -> Response:
        """Show the page that a form is on, with what was written and what is wrong with it."""
        asked.problems = dict(problems)
        asked.path = filled(found.what.again, found.parts)
        page = self._site.page(asked.path, asked.user)
        if page is None:
            return self._problem(asked, "; ".join(problems.values()), HTTPStatus.BAD_REQUEST, cookie)
        return await self._show(request, asked, page, cookie, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _done(self, request: Request, asked: Asked, done: Done) -> Response:
        self._flashes[asked.session] = done.text
        if len(self._flashes) > _FLASHES:
            self._flashes.popitem(last=False)
        return redirected(request, link(done.to))

    # What is not

    def _missing(self, asked: Asked, cookie: str) -> Response:
        text = asked.gettext("There is no such page, or your role does not allow it.")
        return self._problem(asked, text, HTTPStatus.NOT_FOUND, cookie)

    def _problem(self, asked: Asked, text: str, status: int, cookie: str) -> Response:
        return self._rendered(None, asked, View("problem.html", {"text": text}, status), None, cookie)


def redirected(request: Request, where: str, headers: Mapping[str, str] | None = None) -> Response:
    """Lead a browser to another page, also if it is htmx that asks."""
    if "hx-request" in request.headers:
        return Response(HTTPStatus.NO_CONTENT, headers=Headers({"HX-Redirect": where, **(headers or {})}))
    return Response(HTTPStatus.SEE_OTHER, headers=Headers({"Location": where, **(headers or {})}))


def _problems(error: OperationError, asked: Asked) -> dict[str, str]:
    """Say where on the form a problem belongs, which texts of operations begin with."""
    name, colon, reason = str(error).partition(": ")
    field, text = (name, reason) if colon and name in asked.form else ("", str(error))
    return {field: problem(text, asked.words.gettext)}
