"""Messages to users, and the end of the service: XEP-0133 sections 4.23 to 4.26 and 4.31."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from tx_xmpp.data_form import Field

from xmppd.api import Permission, StanzaError
from xmppd.api.commands import Done, Filled, bad_payload
from xmppd.plugins.admin_commands.command import Context, Declaration
from xmppd.plugins.admin_commands.forms import options_field, required, single, text

__all__ = ["message_commands", "shutdown_command"]

_DELAYS = (
    ("30", "30 seconds"), ("60", "60 seconds"), ("90", "90 seconds"), ("120", "2 minutes"), ("180", "3 minutes"),
    ("240", "4 minutes"), ("300", "5 minutes"),
)  # fmt: skip


def message_commands() -> list[Declaration]:
    """Return the commands that send, set and delete messages."""
    return [
        Declaration(
            "announce", "Send Announcement to Online Users", ("announce online",), _announce, "Making an Announcement",
            "Fill out this form to make an announcement to all active users of this service.", _announcement_fields,
        ),
        Declaration(
            "set-motd", "Set Message of the Day", ("motd set",), _set_motd, "Setting the Message of the Day",
            "Fill out this form to set the message of the day.", _motd_fields,
        ),
        Declaration(
            "edit-motd", "Edit Message of the Day", ("motd set", "motd show"), _set_motd,
            "Editing the Message of the Day", "Fill out this form to edit the message of the day.",
            _current_motd_fields,
        ),
        Declaration("delete-motd", "Delete Message of the Day", ("motd delete",), _delete_motd),
    ]  # fmt: skip


def shutdown_command() -> Declaration:
    """Return the command that stops the server, every host of it."""
    return Declaration(
        "shutdown", "Shut Down Service", (), _shutdown, "Shutting Down the Service",
        "Fill out this form to shut down the service.", _shutdown_fields, admins_only=True,
    )  # fmt: skip


async def _announcement_fields(context: Context) -> Sequence[Field]:
    return [required("text-multi", "announcement", "Announcement")]


async def _announce(context: Context, filled: Filled) -> Done:
    await context.run("announce online", text=text(filled, "announcement"))
    return Done()


async def _motd_fields(context: Context) -> Sequence[Field]:
    return [required("text-multi", "motd", "Message of the Day")]


async def _current_motd_fields(context: Context) -> Sequence[Field]:
    [field] = await _motd_fields(context)
    with suppress(StanzaError):  # none is set: the field stays empty
        field.values = (await context.run("motd show"))["text"].split("\n")
    return [field]


async def _set_motd(context: Context, filled: Filled) -> Done:
    await context.run("motd set", text=text(filled, "motd"))
    return Done()


async def _delete_motd(context: Context, filled: Filled) -> Done:
    await context.run("motd delete")
    return Done()


async def _shutdown_fields(context: Context) -> Sequence[Field]:
    delay = options_field("delay", "Time delay before shutting down", _DELAYS)
    return [delay, Field("text-multi", "announcement", label="Announcement")]


async def _shutdown(context: Context, filled: Filled) -> Done:
    delay = single(filled, "delay") or "0"
    if not delay.isdecimal():
        raise bad_payload(f"delay: {delay!r} is no number of seconds")
    message = "\n".join(filled.get("announcement", ())) or None
    await context.run("server stop", Permission.OPERATOR, delay=delay, message=message)
    return Done()
