"""A device at one of the two servers: it befriends others, and knows who is there."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from tests.faults import reading
from tests.faults.client import Client
from tests.faults.device import Offer, Recorder
from tests.faults.history import Trait
from tests.faults.network.servers import domain_of

_STATUS = f"{{{reading.CLIENT}}}status"


class Person(Client):
    """A device whose session lasts as long as the round.

    :ivar seen: the devices that are available, by full address, with their status.
    :ivar status: what contacts should see; None: nothing.
    """

    def __init__(self, name: str, port: int, trait: Trait, offer: Offer, recorder: Recorder) -> None:
        super().__init__(name, port, trait, offer, recorder)
        self.seen: dict[str, str] = {}
        self.status: str | None = ""

    def address(self, account: str) -> str:
        return f"{account}@{domain_of(account[0])}"

    @property
    def jid(self) -> str:
        """The full address."""
        return f"{self.bare}/{self.resource}"

    def show(self, status: str | None) -> None:
        """Be available with a status, or not at all."""
        if self.connected:
            self.status = status
            if status is None:
                self.seen.clear()  # who is not there is not told any more
            xml = f"<presence><status>{status}</status></presence>" if status else "<presence type='unavailable'/>"
            self._stanza(xml, "presence")

    def befriend(self, account: str) -> None:
        """Ask to see somebody."""
        self._stanza(f"<presence type='subscribe' to='{self.address(account)}'/>", "presence")

    def saw(self, presence: ET.Element) -> None:
        from_, type_ = presence.get("from", ""), presence.get("type", "")
        if type_ == "subscribe":
            self._stanza(f"<presence type='subscribed' to='{from_}'/>", "presence")
        elif type_ == "unavailable":
            self.seen.pop(from_, None)
        elif not type_:
            self.seen[from_] = presence.findtext(_STATUS) or ""
