"""How a page of the console is declared.

A module in the folder ``views`` holds pages, as functions that are marked; that it is there is enough::

    @page("rooms", title=marked("Rooms"), group=Group.PEOPLE, icon="rooms", needs=("room list",))
    async def rooms(asked: Asked) -> View:
        rows = await asked.run("room list", search=asked.query.get("search", ""))
        return view("rooms/list.html", rows=rows)

    @page("rooms/{room}", title=marked("Room"), within="rooms", needs=("room show",))
    async def room(asked: Asked, room: str) -> View:
        return view("rooms/room.html", room=await asked.run("room show", room=room))

    @action("rooms/{room}/destroy", needs=("room destroy",), again="rooms/{room}")
    async def destroy(asked: Asked, room: str) -> Done:
        await asked.run("room destroy", room=room, reason=asked.form.get("reason", ""))
        return Done(asked.gettext("%(room)s is no more.", room=room), to="rooms")

- **Who sees it**: those whose role may run all operations in `needs`. For others, and while no plugin offers one of the
  operations, the page is not in the menu, and not there. In templates ``{% if may("room destroy") %}`` hides a button.
- **Whatever is changed goes through** :meth:`Asked.run`: it is an operation, as on the command line and in REST, and
  is audited with the user's name. An :class:`~xmppd.api.OperationError` that a page lets pass becomes a page
  that says so.
- **An action** answers a POST; the frame has checked where it comes from, its token, and the role. It returns
  :class:`Done`, which leads the browser to another page with a word on top, or a :class:`View`, for what is to be seen
  once, such as a new password. If it raises OperationError or :class:`FormError`, the page `again` is shown anew,
  with what was written in its fields and the errors beside them: the macros of ``macros.html`` do that.
- **Templates** (Jinja2, in ``templates``) begin with ``{% extends "frame.html" %}`` and fill the block ``content``.
  They have ``url(path)``, ``may(name)``, ``user``, ``asked``, and ``_("...")``, the filters ``when`` (a time),
  ``number``, ``octets``, ``word`` (a word that operations answer with). A form is
  ``<form method="post" action="{{ url("rooms") }}">{{ csrf() }}...``.
- **Parts**: to be refreshed by htmx, an element stands in a block of its own named like its id. A request of htmx whose
  target has that id is answered with that block alone::

    {% block live %}<div id="live" hx-get="{{ url("rooms") }}" hx-trigger="every 5s" hx-target="#live"
      hx-swap="outerHTML" hx-headers='{"X-Poll": "yes"}'>...</div>{% endblock %}

  ``X-Poll`` says that nobody has touched a key, so that sessions of those who have gone end.
- **Words**: every text goes through ``_`` in templates, ``asked.gettext`` and ``asked.ngettext`` in handlers, and
  ``marked`` where there is no language yet. All ``*.po`` of ``locale/LANGUAGE/LC_MESSAGES`` are read; a page may bring
  its own. A test tells what is not translated.
- **No style or script inside a page**: the policy that goes with it (CSP) forbids both. Classes are in
  ``static/console.css``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from xmppd.api import Condition, IHost, Jid, OperationError
from xmppd.plugins.console.languages import Words
from xmppd.plugins.console.own import Own
from xmppd.plugins.console.roles import Role, marked

__all__ = ["Action", "Asked", "Done", "FormError", "Group", "Page", "User", "View", "action", "marked", "page", "view"]

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
_ATTRIBUTE = "__console_pages__"
_PART = re.compile(r"\{(\w+)\}")


class Group(Enum):
    """Where in the menu a page is; in this order."""

    OVERVIEW = marked("Overview")
    PEOPLE = marked("People")
    PUSH = marked("Notifications")
    NETWORK = marked("Network")
    SERVER = marked("Server")


@dataclass(frozen=True, slots=True)
class View:
    """A page to show: a template and what it is filled with."""

    template: str
    data: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Done:
    """Something was done: the browser goes to another page, which says so.

    :ivar to: the path of that page.
    """

    text: str
    to: str = ""


class FormError(Exception):
    """What was filled in can't be.

    :param problems: why, in the user's language, by the name of the field; "" for the form as a whole.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True)
class User:
    """Who has logged in.

    :ivar allowed: the operations they may run, by name.
    """

    jid: Jid
    role: Role
    language: str
    allowed: Collection[str]

    @property
    def label(self) -> str:
        """What the audit calls them."""
        return f"{self.jid} (console)"


@dataclass(slots=True)
class Asked:
    """A request for a page, by somebody who may see it.

    :ivar path: of the page, without ``/console/``.
    :ivar query: the parameters behind the question mark.
    :ivar form: the fields of a POST; what was filled in, if a page is shown again.
    :ivar problems: what was wrong with them; see :class:`FormError`.
    :ivar own: what the user may do with their own access to the console, whatever their role is.
    """

    host: IHost
    user: User
    words: Words
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    own: Own | None = None

    @property
    def session(self) -> str:
        """The hash that the session is known by."""
        return "" if self.own is None else self.own.session

    def gettext(self, text: str, /, **values: Any) -> str:
        """Return a text in the user's language, with ``%(name)s`` filled in."""
        return self.words.gettext(text) % values if values else self.words.gettext(text)

    def ngettext(self, one: str, many: str, number: int, /, **values: Any) -> str:
        """The same for something that is counted; ``%(num)s`` is the number."""
        return self.words.ngettext(one, many, number) % {"num": number, **values}

    def may(self, name: str) -> bool:
        """May the user run that operation, and is there one?"""
        return name in self.user.allowed

    async def run(self, name: str, /, **arguments: Any) -> Any:
        """Run an operation as the user. What is None or "" is left out.

        :returns: what it returns: a text, a dict or a list of dicts.
        :raises OperationError: the role does not allow it (forbidden), or it can't be done.
        """
        if not self.may(name):
            raise OperationError(self.gettext("Your role does not allow that."), Condition.FORBIDDEN)
        given = {key: value for key, value in arguments.items() if value not in (None, "")}
        return await self.host.operations.run(name, given, self.user.label, self.user.role.granted)


@dataclass(frozen=True, slots=True)
class Page:
    """A declared page; see :func:`page`."""

    path: str
    title: str
    handler: Callable[..., Awaitable[View]]
    needs: tuple[str, ...] = ()
    group: Group | None = None
    icon: str = ""
    order: int = 50
    within: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """A declared action; see :func:`action`."""

    path: str
    handler: Callable[..., Awaitable[View | Done]]
    needs: tuple[str, ...] = ()
    again: str = ""


def page(
    path: str,
    *,
    title: str,
    needs: tuple[str, ...] = (),
    group: Group | None = None,
    icon: str = "",
    order: int = 50,
    within: str = "",
) -> Callable[[F], F]:
    """Declare an async function a page: it takes what is :class:`Asked`, and the parts of the path by name.

    :param path: such as ``rooms/{room}``; a part in braces stands for anything but a slash.
    :param title: in English, marked for translation.
    :param needs: operations that the user has to be allowed to run.
    :param group: where it is in the menu; None: nowhere.
    :param icon: the name of a symbol in ``templates/icons.html``.
    :param order: among those of the group.
    :param within: the path of the page in the menu that this one belongs to.
    """
    return _marking(lambda function: Page(path, title, function, needs, group, icon, order, within or path))


def action(path: str, *, needs: tuple[str, ...] = (), again: str = "") -> Callable[[F], F]:
    """Declare an async function the answer to a POST.

    :param again: the path of the page with the form, with the same parts; it is shown again if something is wrong.
        Unless given, the page at the same path.
    """
    return _marking(lambda function: Action(path, function, needs, again or path))


def _marking(declare: Callable[[Any], Page | Action]) -> Callable[[F], F]:
    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, (*declared(function), declare(function)))
        return function

    return mark


def declared(function: object) -> tuple[Page | Action, ...]:
    """Return what a function was declared to be."""
    found: tuple[Page | Action, ...] = getattr(function, _ATTRIBUTE, ())
    return found


def pattern(path: str) -> re.Pattern[str]:
    """Return what the paths of a page look like."""
    parts = _PART.split(path)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)))


def filled(path: str, parts: Mapping[str, str]) -> str:
    """Return a path with its parts filled in."""
    return _PART.sub(lambda found: parts[found[1]], path)


def view(template: str, /, **data: Any) -> View:
    """Return a page to show."""
    return View(template, data)
