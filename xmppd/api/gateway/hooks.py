"""What a gateway says of itself, and what it may override. The base's part is in :mod:`.base`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xmppd.api.disco import DiscoComponent
from xmppd.api.gateway.fields import RegistrationField
from xmppd.api.gateway.outgoing import Outgoing
from xmppd.api.options import Field
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence

__all__ = ["Hooks"]


class Hooks(DiscoComponent):
    """What a gateway declares and overrides; the base of :class:`~xmppd.api.gateway.Gateway`.

    :cvar network: the type of its disco identity, ``gateway/NETWORK``: a registered one, such as ``sms`` or ``smtp``.
    :cvar title: its name, to people.
    :cvar instructions: what they read when they register.
    :cvar fields: what they have to fill in.
    :cvar prompt: what an address of the other network is called there (XEP-0100 section 6.3).
    :cvar prompt_help: how to ask for one.
    :cvar receipts: does it come to know that a message was delivered? See :meth:`outgoing`.
    :ivar concurrency: how many messages are sent at the same time.
    :cvar contact_identity: disco category and type of people on the other network.
    """

    network: ClassVar[str] = ""
    title: ClassVar[str] = ""
    instructions: ClassVar[str] = "Register to use this gateway."
    fields: ClassVar[tuple[RegistrationField, ...]] = ()
    prompt: ClassVar[str] = "Contact ID"
    prompt_help: ClassVar[str] = "Please enter the address of the person you would like to contact."
    receipts: ClassVar[bool] = False
    concurrency: int = 10
    contact_identity: ClassVar[tuple[str, str]] = ("account", "registered")

    class Options(DiscoComponent.Options):
        """Who may use the gateway, and how much."""

        users: tuple[str, ...] = Field(
            (),
            description="Who may register: domains, bare addresses, or * for everybody. Empty: the users of the host.",
        )
        registrations: int = Field(10_000, ge=0, description="How many users can be registered.")
        contacts: int = Field(1000, ge=0, description="Whose presence on the other network one user can subscribe to.")
        per_minute: int = Field(20, ge=1, description="Messages that one user may send in a minute.")
        per_day: int = Field(
            500, ge=0, description="What one user may send in a day (UTC): messages, or what they cost. 0: no limit."
        )
        per_month: int = Field(5000, ge=0, description="The same for a month.")
        waiting: int = Field(100, ge=1, description="Messages of one user that may wait to be sent.")
        max_characters: int = Field(10_000, ge=1, description="Characters that the text of a message may have.")
        retry_seconds: float = Field(
            30.0, gt=0, description="Seconds until sending is tried again; twice as long each time it fails again."
        )
        retry_max_seconds: float = Field(3600.0, gt=0, description="Seconds between two attempts at most.")
        give_up_hours: float = Field(48.0, ge=0, description="Hours after which a message is given up.")
        attempt_seconds: float = Field(120.0, gt=0, description="Seconds that one attempt may take.")
        report_days: float = Field(7.0, gt=0, description="Days to wait for a report that a message was delivered.")
        repetition_days: float = Field(
            7.0, gt=0, description="Days after which a message that comes once more is not recognized any more."
        )

    async def outgoing(self, user: Jid, contact: str, message: Outgoing) -> str | Sequence[str] | None:
        """Send a message to the other network. It is stored, and stays so until this returns, or raises StanzaError.

        :param user: bare address of the sender.
        :param contact: the recipient's address there, as :meth:`address` has returned it.
        :returns: None if that is all. If the network will report on it: by which name, or by which names of its parts;
            it is then kept until :meth:`delivered` or :meth:`failed` is called with all of them.
        :raises TryAgain: it can't be sent now. So does any other exception, which is logged, but for
        :raises StanzaError: it never can be; the sender gets the error.
        """
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED)

    def address(self, text: str) -> str:
        """Return the one form of an address of the other network that somebody has typed.

        It must return what it is given if that is of this form already, in small letters, too.

        :raises ValueError: if it is no address there; the text says why.
        """
        if not text.strip():
            raise ValueError("the address is empty")
        return text.strip().lower()

    async def register(self, user: Jid, values: Mapping[str, str]) -> Mapping[str, str] | None:
        """Check what a user has filled in, before it is stored.

        :param values: by the names of all fields, "" for empty ones.
        :returns: what is to be stored instead, or None.
        :raises StanzaError: not-acceptable, if the other network doesn't accept it.
        """
        return None

    async def unregistered(self, user: Jid) -> None:
        """A user has gone, and all that the base keeps of them; let go of the rest."""

    async def check(self, user: Jid, contact: str, message: Outgoing) -> None:
        """Look at a message before it is accepted. Raise StanzaError to refuse it."""

    def accepted(self, user: Jid, contact: str, message: Outgoing) -> None:
        """A message was accepted. What there is to be stored of that goes the way of ``host.store``."""

    def cost(self, user: Jid, contact: str, body: str) -> int:
        """Return what a message counts for in the options ``per_day`` and ``per_month``."""
        return 1

    async def online(self, user: Jid) -> None:
        """The first device of a user is there: log in to the other network, if that is how it works.

        :raises StanzaError: it isn't possible; the user gets the error.
        """

    async def offline(self, user: Jid) -> None:
        """The last device of a user has left."""

    def presence_of(self, user: Jid, contact: str) -> bytes | None:
        """Return what is in the presence of a contact (``<show/>``, ``<status/>``), or None if it isn't there."""
        return b""

    async def user_presence(self, user: Jid, contact: str, presence: Presence) -> None:
        """A user has sent presence to a contact, or to the gateway itself (contact ""): available or unavailable.

        Or ``subscribed`` or ``unsubscribed``: the contact may see the user's presence, or not any more.
        """

    async def contact_added(self, user: Jid, contact: str) -> None:
        """A user wants to see a contact's presence. Raise StanzaError to refuse."""

    async def contact_removed(self, user: Jid, contact: str) -> None:
        """A user doesn't want to see a contact's presence any more."""

    async def acknowledged(self, user: Jid, contact: str, id: str) -> None:
        """A device of the user has got the message with that id, which asked for a receipt (XEP-0184)."""

    async def refused(self, user: Jid, contact: str, id: str | None, error: StanzaError) -> None:
        """The message with that id could not be delivered to the user."""
