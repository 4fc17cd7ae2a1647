"""Somebody's own access: language, password, second factor, sessions."""

from __future__ import annotations

import re

from markupsafe import Markup

from xmppd.plugins.console import totp
from xmppd.plugins.console.languages import LANGUAGES
from xmppd.plugins.console.own import Own, PasswordError
from xmppd.plugins.console.pages import Asked, Done, FormError, View, action, marked, page, view

_SECRET = re.compile(r"[A-Z2-7]{32}")


def _own(asked: Asked) -> Own:
    """What the frame has filled in."""
    if asked.own is None:
        raise ValueError("nobody has logged in")
    return asked.own


@page("me", title=marked("Your access"))
async def me(asked: Asked) -> View:
    """All of it."""
    own = _own(asked)
    return view("me.html", person=await own.person(), sessions=await own.sessions())


@action("me/language", again="me")
async def language(asked: Asked) -> Done:
    """Choose a language."""
    chosen = asked.form.get("language", "")
    if chosen not in LANGUAGES:
        raise FormError({"language": asked.gettext("There is no such language.")})
    await _own(asked).set_language(chosen)
    return Done("", to="me")


@action("me/password", again="me")
async def password(asked: Asked) -> Done:
    """Change the password."""
    own, form = _own(asked), asked.form
    new = form.get("new", "")
    if len(new) < own.password_min_length:
        raise FormError({
            "new": asked.ngettext(
                "It needs %(num)s character at least.", "It needs %(num)s characters at least.", own.password_min_length
            )
        })  # fmt: skip
    if new != form.get("again", ""):
        raise FormError({"again": asked.gettext("That is another one than above.")})
    await _check(asked, "password")
    try:
        await own.set_password(new)
    except PasswordError as error:
        raise FormError({"new": asked.gettext("That can't be a password: %(reason)s.", reason=error)}) from None
    return Done(asked.gettext("You have another password. Log in with it."), to="login")


async def _check(asked: Asked, field: str) -> None:
    if not await _own(asked).proves(asked.form.get(field, "")):
        raise FormError({field: asked.gettext("That is not your password.")})


@page("me/second-factor", title=marked("Second factor"), within="me")
async def second_factor(asked: Asked) -> View:
    """The secret for an app; once again the same, if the code was wrong."""
    secret = asked.form.get("secret", "")
    if not _SECRET.fullmatch(secret):
        secret = totp.new_secret()
    picture = Markup(totp.picture(totp.uri(secret, str(asked.user.jid), f"xmppd {asked.host.jid}")))
    return view("second-factor.html", secret=secret, picture=picture)


@action("me/second-factor")
async def turn_on(asked: Asked) -> View:
    """Turn it on, when the app shows the right code."""
    secret = asked.form.get("secret", "")
    if not _SECRET.fullmatch(secret):
        raise FormError({"": asked.gettext("Scan the new picture, and type the code that your app shows then.")})
    await _check(asked, "password")
    codes = await _own(asked).turn_on(secret, asked.form.get("code", ""))
    if not codes:
        raise FormError({"code": asked.gettext("That is not the code. Is the clock of your phone right?")})
    return view("recovery-codes.html", codes=codes)


@action("me/second-factor/off", again="me")
async def turn_off(asked: Asked) -> Done:
    """Turn it off."""
    await _check(asked, "off-password")
    await _own(asked).turn_off()
    return Done(asked.gettext("You log in with the password alone now."), to="me")


@action("me/sessions", again="me")
async def end_others(asked: Asked) -> Done:
    """End all other sessions."""
    ended = await _own(asked).end_others()
    return Done(asked.ngettext("%(num)s session has ended.", "%(num)s sessions have ended.", ended), to="me")
