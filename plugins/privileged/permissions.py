"""What a component may do, and how it is told (XEP-0356 sections 4.2, 5.2, 6.2 and 7.1.1)."""

from __future__ import annotations

from xmppd.api import Condition, Iq, Jid, StanzaError, Subscription, tag
from xmppd.api.components import IPrivileges
from xmppd.wire.forward import stanza_of

__all__ = ["NS", "allows", "any_of", "encapsulated", "forbidden", "privilege", "pushes", "subscription_in"]

NS = "urn:xmpp:privilege:2"
_NONE = "none"


def allows(access: str, type_: str) -> bool:
    """Does a permission of type ``none``, ``get``, ``set`` or ``both`` allow requests of that type?"""
    return access in (type_, "both")


def pushes(granted: IPrivileges) -> bool:
    """Is the component told of changes to rosters (section 4.1)? Never, if it may not read them."""
    return allows(granted.roster, "get") and granted.push is not False


def any_of(granted: IPrivileges) -> bool:
    """Is anything granted at all?"""
    return _permissions(granted, everything=False) != []


def privilege(granted: IPrivileges, everything: bool) -> bytes:
    """Return the element that tells a component what it may do.

    :param everything: tell also of what it may not do: it may have been told something else before.
    """
    return tag("privilege", *_permissions(granted, everything), xmlns=NS)


def _permissions(granted: IPrivileges, everything: bool) -> list[bytes]:
    found = []
    if everything or granted.roster != _NONE:
        push = str(pushes(granted)).lower() if granted.roster != _NONE else None
        found.append(tag("perm", access="roster", type=granted.roster, push=push))
    if everything or granted.message != _NONE:
        found.append(tag("perm", access="message", type=granted.message))
    namespaces = [tag("namespace", ns=ns, type=type_) for ns, type_ in granted.iq.items() if type_ != _NONE]
    if everything or namespaces:
        found.append(tag("perm", *namespaces, access="iq"))
    if everything or granted.presence != _NONE:
        found.append(tag("perm", access="presence", type=granted.presence))
    return found


def forbidden(text: str) -> StanzaError:
    """Return the error for what is not allowed."""
    return StanzaError(Condition.FORBIDDEN, text=text)


def encapsulated(request: Iq, granted: IPrivileges, account: Jid) -> Iq:
    """Return the request that a component wants to make in the name of an account (section 6.3).

    :raises StanzaError: forbidden, for every one of the reasons that section names.
    """
    children = request.request.elements()
    element = next(iter(children), None)
    try:
        inner = stanza_of(element) if element is not None else None
    except StanzaError as error:
        raise forbidden(error.text or "") from None
    if not isinstance(inner, Iq) or next(children, None) is not None:
        raise forbidden("there is no iq of jabber:client in it, or something else as well")
    if inner.from_ is not None and inner.from_ != account:
        raise forbidden(f"the iq in it is not from {account}")
    if inner.type != request.type:
        raise forbidden("the iq in it is of another type")
    if len(inner.elements) != 1 or not allows(granted.iq.get(inner.elements[0].uri, _NONE), inner.type):
        raise forbidden("there is no permission for the namespace of the iq in it")
    return inner


def subscription_in(request: Iq, domain: str) -> tuple[Jid, Subscription] | None:
    """Return the address in a roster set that was answered, if it is of that domain, and the subscription it names."""
    if request.type != "set":
        return None
    item = next(child for child in request.request.elements() if child.name == "item")
    contact, named = Jid.parse(item["jid"]), item.getAttribute("subscription")
    if contact.domain != domain or named not in set(Subscription):
        return None
    return contact, Subscription(named)
