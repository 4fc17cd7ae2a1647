"""Ad-hoc commands of plugins (XEP-0050), beside those that are made of operations.

A plugin with ``commands = need(ICommands)`` adds its commands when it starts and removes them when it stops. A command
keeps nothing between its stages: each time it is given everything that was filled in so far, and says what comes next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq
from xmppd.wire.xml import Payload, tag

__all__ = ["NS", "Ask", "Done", "Filled", "ICommand", "ICommands", "Note", "Severity", "bad_payload"]

NS = "http://jabber.org/protocol/commands"

#: What was filled in at one stage: values by the fields' names.
Filled = Mapping[str, tuple[str, ...]]


class Severity(StrEnum):
    """How serious a note is (XEP-0050 4.3)."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell the user."""

    text: str
    severity: Severity = Severity.INFO


@dataclass(frozen=True, slots=True)
class Ask:
    """Go on with a form to fill in.

    :ivar form: ``<x xmlns='jabber:x:data' type='form'/>``.
    :ivar last: with this form filled in, the command can be completed; else another one follows.
    """

    form: Payload
    last: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """The command is completed. One that failed says so in a note of severity ERROR (XEP-0050 3.6).

    :ivar payload: what to show, such as ``<x xmlns='jabber:x:data' type='result'/>``.
    """

    notes: Sequence[Note] = field(default=())
    payload: Payload = None


class ICommand(Protocol):
    """A command."""

    @property
    def node(self) -> str:
        """What it is called by programs; unique on the host."""

    @property
    def name(self) -> str:
        """What it is called by people."""

    def allowed(self, requester: Jid) -> bool:
        """May `requester` (a full address) see and execute it?"""

    async def step(self, requester: Jid, filled: Sequence[Filled]) -> Ask | Done:
        """Say what comes next, after the stages in `filled`; with none of them it begins.

        Raises StanzaError; after :func:`bad_payload` and others the user may correct the form and try again.
        """


class ICommands(Protocol):
    """The commands of a host."""

    def add(self, command: ICommand, covers: Collection[str] = ()) -> None:
        """Offer a command.

        :param covers: names of operations that it does, which then aren't offered by themselves.
        :raises ValueError: there is a command of that node.
        """

    def remove(self, command: ICommand) -> None:
        """Offer it no longer."""

    async def answer(self, iq: Iq, commands: Mapping[str, ICommand]) -> Iq:
        """Answer a request to a component for a command of its own, with ``<command/>`` (XEP-0050 section 2.4).

        Programs that know the form fill it in at once, without asking for it: that is the first stage then.

        :param commands: by node.
        :raises StanzaError: as the XEP has it.
        """


def bad_payload(text: str) -> StanzaError:
    """Return the error for a form that is not filled in as it must be (XEP-0050 4.4)."""
    return StanzaError(Condition.BAD_REQUEST, text=text, app=tag("bad-payload", xmlns=NS))
