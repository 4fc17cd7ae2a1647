"""Words that operations answer with, which are shown in the user's language: states, roles, kinds.

What operations say is English, for programs and scripts read it too. Here are the words of it that people see in lists.
"""

from __future__ import annotations

from collections.abc import Callable

from xmppd.plugins.console.roles import marked

__all__ = ["word"]

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


def word(text: object, gettext: Callable[[str], str]) -> str:
    """Return a word in the user's language, with what is behind it: ``available (5)``.

    :param gettext: translates; what is none of these words stays as it is.
    """
    first, space, rest = str(text).partition(" (")
    return f"{gettext(first)}{space}{rest}" if first in _WORDS else str(text)
