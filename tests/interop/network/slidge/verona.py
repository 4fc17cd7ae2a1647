"""A network for slidge to lead to, with nobody on it but what is written here; slidge imports it by its name.

Juliet answers what one says to her. What begins with "phone: " is taken as said from another client of that
network, which the user's XMPP clients have to hear of (a carbon). There is one group, in which Juliet answers too.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

from slidge import BaseGateway, BaseSession
from slidge.command import FormField
from slidge.contact import LegacyContact, LegacyRoster
from slidge.group import LegacyBookmarks, LegacyMUC, LegacyParticipant, MucType
from slixmpp.exceptions import XMPPError

_ids = itertools.count(1)


class Gateway(BaseGateway):
    """The component."""

    COMPONENT_NAME = "Verona"
    COMPONENT_TYPE = "verona"
    GROUPS = True
    REGISTRATION_FIELDS = [FormField(var="username", label="Name", required=True)]

    async def validate(self, user_jid: Any, registration_form: dict[str, str | None]) -> None:
        """Take everybody but the Montagues."""
        if registration_form["username"] == "montague":
            raise XMPPError("not-acceptable", "no Montagues")


class Session(BaseSession):
    """A user's session on the network."""

    async def login(self) -> str:
        """Return the status that the user sees."""
        return f"in Verona as {self.user.legacy_module_data['username']}"


class Roster(LegacyRoster):
    """The user's friends there."""

    async def fill(self) -> AsyncIterator[Any]:
        """Yield all of them, and put those into the user's roster who aren't there."""
        user = self.session.user_jid.bare
        answer = await self.session.xmpp["xep_0356"].get_roster(user)
        for name in ("juliet", "nurse"):
            contact = await self.by_legacy_id(name)
            if contact.jid.bare not in answer["roster"]["items"]:
                await contact.add_to_roster(force=True)
            yield contact


class Contact(LegacyContact):
    """Somebody there."""

    async def update_info(self) -> None:
        """Make friends of all but the strangers."""
        if self.legacy_id not in ("juliet", "nurse"):
            raise XMPPError("item-not-found", "nobody of that name")
        self.name = self.legacy_id.capitalize()
        self.is_friend = True
        self.online("in the orchard")

    async def on_message(self, message: Any) -> str:
        """Answer, or play the user's other client."""
        said, phone, text = message.body.partition("phone: ")
        if phone and not said:
            self.send_text(text, f"phone-{next(_ids)}", carbon=True)
        else:
            self.send_text(f"You said: {message.body}", f"answer-{next(_ids)}")
        return f"message-{next(_ids)}"


class Participant(LegacyParticipant):
    """Somebody in a group."""


class Bookmarks(LegacyBookmarks):
    """The user's groups there."""

    async def fill(self) -> None:
        """Put the only one among the user's bookmarks."""
        group = await self.by_legacy_id("capulets")
        await group.add_to_bookmarks()


class MUC(LegacyMUC):
    """A group."""

    type = MucType.GROUP

    async def update_info(self) -> None:
        """Name it."""
        self.name = "The Capulets"

    async def fill_participants(self) -> AsyncIterator[Any]:
        """Yield who is in it."""
        yield await self.get_participant_by_legacy_id("juliet")
        yield await self.get_user_participant()

    async def on_message(self, message: Any) -> str:
        """Let Juliet answer."""
        juliet = await self.get_participant_by_legacy_id("juliet")
        juliet.send_text(f"All heard: {message.body}", f"group-answer-{next(_ids)}")
        return f"group-message-{next(_ids)}"
