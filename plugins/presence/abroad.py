"""Contacts on other servers and components: from which of their devices an account has been sent available presence.

When a server can be reached no more, this is whom its users seemed to be to ours (RFC 6121 4.5.2 has nobody else tell).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xmppd.api import Jid

__all__ = ["Abroad", "full"]

#: Resources of a contact: mostly it has one device. A gateway's contact may have none, which is "".
Resources = str | tuple[str, ...]
Contacts = dict[Jid, Resources]


class Abroad:
    """What is known is kept by account; of accounts that nobody is connected to, for the latest of them.

    :param resources: how many devices of one contact are known; of more, the latest.
    :param absent: how many accounts without sessions.
    """

    def __init__(self, resources: int, absent: int) -> None:
        self.resources, self.absent = resources, absent
        self._present: dict[Jid, Contacts] = {}
        self._absent: OrderedDict[Jid, Contacts] = OrderedDict()
        self._accounts: dict[str, set[Jid]] = {}  # by domain: who knows somebody there

    def _of(self, account: Jid) -> Contacts | None:
        return self._present.get(account) or self._absent.get(account)

    # Contacts that come and go

    def available(self, account: Jid, contact: Jid, resource: str, online: bool) -> bool:
        """A contact's device has sent an account available presence. Return whether it is new.

        :param contact: its bare address; best the object that is in the roster.
        :param online: has the account sessions?
        """
        contacts = self._of(account)
        if contacts is None:
            contacts = {}
            if online:
                self._present[account] = contacts
            else:
                self._absent[account] = contacts
                self._shrink()
        known = contacts.get(contact)
        if known is None:
            contacts[contact] = resource
            self._accounts.setdefault(contact.domain, set()).add(account)
            return True
        several = self._resources(account, contact)
        if resource in several:
            return False
        contacts[contact] = (*several, resource)[-self.resources :]
        return True

    def unavailable(self, account: Jid, sender: Jid) -> Sequence[Jid]:
        """A contact has sent an account unavailable presence. Return the devices that are gone.

        From the bare address it speaks for all of them (4.3.2).
        """
        contact = sender.bare
        several = self._resources(account, contact)
        if not sender.resource and "" not in several:
            return self.forget(account, contact)
        if sender.resource not in several:
            return ()
        if len(several) == 1:
            return self.forget(account, contact)
        contacts = self._of(account)
        assert contacts is not None
        left = tuple(resource for resource in several if resource != sender.resource)
        contacts[contact] = left[0] if len(left) == 1 else left
        return [sender]

    def forget(self, account: Jid, contact: Jid) -> Sequence[Jid]:
        """A contact, a bare address, is not known any more. Return the devices that were."""
        contacts = self._of(account)
        if contacts is None or contact not in contacts:
            return ()
        devices = self.devices(account, contact)
        del contacts[contact]
        self._let_go(account, contacts, contact.domain)
        return devices

    def _let_go(self, account: Jid, contacts: Contacts, domain: str) -> None:
        """Note that an account knows one less in a domain."""
        if not any(contact.domain == domain for contact in contacts):
            self._discard(account, domain)
        if not contacts:
            self._present.pop(account, None)
            self._absent.pop(account, None)

    def _discard(self, account: Jid, domain: str) -> None:
        accounts = self._accounts.get(domain)
        if accounts is not None:
            accounts.discard(account)
            if not accounts:
                del self._accounts[domain]

    # Questions

    def knows(self, account: Jid, sender: Jid) -> bool:
        """Has the device sent the account available presence?"""
        return sender in self.devices(account, sender.bare)

    def devices(self, account: Jid, contact: Jid) -> Sequence[Jid]:
        """Return the devices of a contact, by full addresses."""
        return [full(contact, resource) for resource in self._resources(account, contact)]

    def _resources(self, account: Jid, contact: Jid) -> Sequence[str]:
        contacts = self._of(account)
        known = None if contacts is None else contacts.get(contact)
        if known is None:
            return ()
        return (known,) if isinstance(known, str) else known

    def accounts(self, domain: str) -> Sequence[Jid]:
        """Return the accounts that know somebody in a domain."""
        return tuple(self._accounts.get(domain, ()))

    def contacts(self, account: Jid, domain: str | None = None) -> Sequence[Jid]:
        """Return the contacts of an account that have devices, by bare addresses; only those in a domain, if given."""
        return [contact for contact in self._of(account) or () if domain is None or contact.domain == domain]

    def take(self, account: Jid, domain: str) -> Iterator[Jid]:
        """Yield the devices that an account knows in a domain, and forget them."""
        for contact in self.contacts(account, domain):
            yield from self.forget(account, contact)

    # Accounts that come and go

    def came(self, account: Jid) -> None:
        """The account has a session now."""
        contacts = self._absent.pop(account, None)
        if contacts is not None:
            self._present[account] = contacts

    def left(self, account: Jid) -> None:
        """The account has no session any more."""
        contacts = self._present.pop(account, None)
        if contacts is not None:
            self._absent[account] = contacts
            self._shrink()

    def _shrink(self) -> None:
        while len(self._absent) > self.absent:
            account, contacts = self._absent.popitem(last=False)
            for domain in {contact.domain for contact in contacts}:
                self._discard(account, domain)

    def drop(self, account: Jid) -> None:
        """The account is gone."""
        contacts = self._present.pop(account, None) or self._absent.pop(account, {})
        for domain in {contact.domain for contact in contacts}:
            self._discard(account, domain)

    # Written down

    def written(self, account: Jid) -> dict[str, Any] | None:
        """Return what is known of an account's contacts in a form for JSON; None for nothing."""
        contacts = self._of(account)
        return {str(contact): resources for contact, resources in contacts.items()} if contacts else None

    def read(self, account: Jid, written: Mapping[str, Any]) -> None:
        """Know what was written."""
        for text, resources in written.items():
            contact = Jid.parse(text)
            for resource in (resources,) if isinstance(resources, str) else resources:
                self.available(account, contact, resource, online=True)


def full(contact: Jid, resource: str) -> Jid:
    """Return the address of a contact's device."""
    return contact.with_resource(resource)
