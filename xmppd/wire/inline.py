"""What a client asks for together with authentication: XEP-0388 (SASL2), XEP-0386 (Bind 2), XEP-0198 section 9."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xmppd.wire import ns
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import Element, tag

__all__ = ["BindRequest", "Inline", "UserAgent", "bind_feature", "read_inline"]

#: The schema's pattern of an `id`. It should be of version 4 (XEP-0388 2.3), but any will do to know a client again by.
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")


@dataclass(frozen=True, slots=True)
class UserAgent:
    """What a client says of itself; None for what it doesn't say.

    :ivar id: the same whenever this installation logs in, and that of no other one; in lower case.
    """

    id: str | None = None
    software: str | None = None
    device: str | None = None

    def described(self) -> dict[str, str]:
        """Return what is known, by names."""
        found = {"id": self.id, "software": self.software, "device": self.device}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class BindRequest:
    """XEP-0386: bind a resource.

    :ivar tag: what the resource should begin with; None or "" if that is left to the server.
    :ivar wishes: elements that ask for features of the session.
    """

    tag: str | None
    wishes: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Inline:
    """What `<authenticate/>` says beyond SASL.

    :ivar resume: the attributes of `<resume/>` (XEP-0198 5), or None.
    :ivar bind: a resource to bind, unless a session is resumed; or None.
    """

    user_agent: UserAgent
    resume: Mapping[str, str] | None = None
    bind: BindRequest | None = None


def read_inline(authenticate: Nonza, management: str) -> Inline:
    """Read `<authenticate/>` (XEP-0388 2.3). What is not known is ignored.

    :param management: the namespace of stream management.
    :raises ValueError: something is there twice, or is not what it has to be; the text says what.
    """
    user_agent, resume, bind = UserAgent(), None, None
    seen: set[tuple[str | None, str]] = set()
    for element in authenticate.elements:
        which = (element.uri, element.name)
        if which not in ((ns.SASL2, "user-agent"), (management, "resume"), (ns.BIND2, "bind")):
            continue
        if which in seen:
            raise ValueError(f"<{element.name}/> is there twice")
        seen.add(which)
        if element.name == "user-agent":
            user_agent = _user_agent(element)
        elif element.name == "resume":
            resume = {str(name): str(value) for name, value in element.attributes.items()}
        else:
            bind = _bind_request(element)
    return Inline(user_agent, resume, bind)


def _user_agent(element: Element) -> UserAgent:
    id_ = element.getAttribute("id")
    if id_ is not None and not _UUID.match(id_):
        raise ValueError("the id of a user agent is a UUID")
    texts: dict[str, str] = {}
    for child in element.elements():
        if child.uri == ns.SASL2 and child.name in ("software", "device"):
            texts.setdefault(child.name, " ".join(str(child).split()))
    return UserAgent(None if id_ is None else id_.lower(), texts.get("software") or None, texts.get("device") or None)


def _bind_request(element: Element) -> BindRequest:
    tags = [str(child) for child in element.elements() if (child.uri, child.name) == (ns.BIND2, "tag")]
    if len(tags) > 1:
        raise ValueError("<tag/> is there twice")
    wishes = tuple(child for child in element.elements() if child.uri != ns.BIND2)
    return BindRequest(tags[0] if tags else None, wishes)


def bind_feature(features: Iterable[str]) -> bytes:
    """Return what offers Bind 2 (XEP-0386 3.1).

    :param features: names of the features that can be asked for with it.
    """
    return tag("bind", tag("inline", *(tag("feature", var=name) for name in features)), xmlns=ns.BIND2)
