"""What operations answer with, in the user's language: words in lists, and the problems that people meet most.

What operations say is English, for programs and scripts read it too. What is not here is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from xmppd.plugins.console.roles import marked

__all__ = ["problem", "word"]

_WORDS = frozenset((
    # Presence (RFC 6121 4.7.2)
    marked("available"), marked("away"), marked("chat"), marked("dnd"), marked("unavailable"), marked("xa"),
    # Subscriptions (RFC 6121 2.1.2.5)
    marked("both"), marked("from"), marked("none"), marked("to"),
    # Rooms (XEP-0045 5)
    marked("admin"), marked("member"), marked("moderator"), marked("outcast"), marked("owner"), marked("participant"),
    marked("visitor"), marked("members-only"), marked("persistent"), marked("public"), marked("hidden"),
    marked("temporary"), marked("open"),
    # Roles of the console
    marked("operator"), marked("sender"), marked("viewer"),
))  # fmt: skip

#: What operations say, and the same to be translated.
_PROBLEMS = tuple((re.compile(said), text) for said, text in (
    (r"there is no account (?P<account>\S+)", marked("There is no account %(account)s.")),
    (r"(?P<account>\S+) exists already", marked("%(account)s exists already.")),
    (r"(?P<session>\S+) has no session", marked("%(session)s has no session.")),
    (r"(?P<host>\S+) is not served here; .*", marked("%(host)s is not served here.")),
    (r"that can't be a password: (?P<reason>.*)", marked("That can't be a password: %(reason)s.")),
    (r"(?P<account>\S+) is not of the form user@domain", marked("%(account)s is not of the form user@domain.")),
    (r"(?P<room>\S+) is there already", marked("%(room)s is there already.")),
    (r"you may not run (?P<name>.*)", marked("You may not do that (%(name)s).")),
    (r"the database can't be used now: (?P<reason>.*)", marked("The database can't be used now: %(reason)s.")),
))  # fmt: skip


def problem(text: str, gettext: Callable[[str], str]) -> str:
    """Return what an operation says is wrong, in the user's language if it is something that often is."""
    for said, marked_text in _PROBLEMS:
        found = said.fullmatch(text)
        if found is not None:
            translated = gettext(marked_text)
            return text if translated == marked_text else translated % found.groupdict()
    return text


def word(text: object, gettext: Callable[[str], str]) -> str:
    """Return a word in the user's language, with what is behind it: ``available (5)``.

    :param gettext: translates; what is none of these words stays as it is.
    """
    first, space, rest = str(text).partition(" (")
    return f"{gettext(first)}{space}{rest}" if first in _WORDS else str(text)
