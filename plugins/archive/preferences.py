"""XEP-0441 Message Archive Management Preferences: which messages the owner of an archive wants in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, get_args

from xmppd.api import Condition, Element, Jid, JidError, StanzaError, tag
from xmppd.wire.mam import NS

__all__ = ["Default", "Preferences", "read"]

#: What becomes of messages with those who are in neither list (section 2.1.1).
Default = Literal["always", "never", "roster"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the owner wants; of an address in both lists, nothing is archived.

    :ivar default: for addresses in neither list.
    :ivar always: addresses that are archived; a bare one stands for all of its resources (section 2.3).
    :ivar never: addresses that are not.
    """

    default: Default
    always: frozenset[Jid] = frozenset()
    never: frozenset[Jid] = frozenset()

    @property
    def everything(self) -> bool:
        """Is everything wanted, whoever it is from?"""
        return self.default == "always" and not self.never

    def wants(self, peer: Jid) -> bool | None:
        """Are messages from and to `peer` wanted? None: if it is in the roster."""
        if peer in self.never or peer.bare in self.never:
            return False
        if peer in self.always or peer.bare in self.always:
            return True
        return None if self.default == "roster" else self.default == "always"

    def element(self) -> bytes:
        """Return them as ``<prefs/>``."""
        lists = (
            tag(name, *(tag("jid", jid) for jid in sorted(jids)))
            for name, jids in (("always", self.always), ("never", self.never))
        )
        return tag("prefs", *lists, xmlns=NS, default=self.default)

    def to_text(self) -> str:
        """Return them as they are stored."""
        return json.dumps([self.default, sorted(self.always), sorted(self.never)], ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> Preferences:
        """Return what :meth:`to_text` made a text of."""
        default, always, never = json.loads(text)
        return cls(default, frozenset(map(Jid.parse, always)), frozenset(map(Jid.parse, never)))


def read(prefs: Element, most: int) -> Preferences:
    """Read ``<prefs/>``.

    :param most: how many addresses there may be in both lists together.
    :raises StanzaError: bad-request without a valid default, jid-malformed, or policy-violation for too many addresses.
    """
    default = prefs.getAttribute("default")
    if default not in get_args(Default):
        text = f"the default is one of {', '.join(get_args(Default))}"
        raise StanzaError(Condition.BAD_REQUEST, text=text)
    always, never = _addresses(prefs, "always"), _addresses(prefs, "never")
    if len(always) + len(never) > most:
        raise StanzaError(Condition.POLICY_VIOLATION, text=f"at most {most} addresses can be listed")
    return Preferences(default, always, never)


def _addresses(prefs: Element, name: str) -> frozenset[Jid]:
    found = set()
    for listed in prefs.elements(NS, name):
        for jid in listed.elements(NS, "jid"):
            try:
                found.add(Jid.parse(str(jid).strip()))
            except JidError as error:
                raise StanzaError(Condition.JID_MALFORMED, text=f"{name}: {error}") from None
    return frozenset(found)
