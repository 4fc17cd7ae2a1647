"""XMPP addresses: `[ localpart "@" ] domainpart [ "/" resourcepart ]` (RFC 7622).

Localparts are prepared with the PRECIS profile UsernameCaseMapped (RFC 8265 section 3.3), resourceparts with
OpaqueString (section 4.2), domainparts with IDNA2008 (RFC 5890 to 5895). Nearly all addresses are plain
ASCII, for which the profiles come down to one regular expression and lower-casing; only the others reach the
PRECIS and IDNA libraries.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import Any, NoReturn

import idna

from xmppd.wire.escape import escape_attribute
from xmppd.wire.precis import OPAQUE_STRING, USERNAME_CASE_MAPPED, PrecisError, enforce

MAX_PART_OCTETS = 1023  # section 3.1: of each part, in UTF-8, after preparation
_CACHED_TEXT = 256  # longer texts are not worth remembering, and would let a stranger fill memory
_CACHE_SIZE = 8192

_LOCAL_EXCLUDED = re.compile("[\"&'/:<>@]")  # section 3.3.1
_ASCII_LOCAL = re.compile(r"[!#-%(-.0-9;=?A-Z\[-~]+\Z")  # IdentifierClass within ASCII, without the excluded
_ASCII_RESOURCE = re.compile(r"[!-~][ -~]*\Z")  # FreeformClass within ASCII
# An NR-LDH label, so no A-label (RFC 5890 section 2.3.1).
_LABEL = r"(?![a-z0-9]{2}--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ASCII_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_MAX_DNS_NAME = 253  # section 3.2: the limits of DNS apply as well


class JidError(ValueError):
    """A text is not an XMPP address; the message says which part, and why."""


class Jid(str):
    """An XMPP address in its normalized form, as an immutable text with parts.

    Being a `str`, it compares, hashes and is looked up in a dictionary as the text is. `local` and
    `resource` are "" when absent; `bare` is the address without its resourcepart (itself, if it has none);
    `xml` is the text escaped for use as an attribute's value. Make one with `Jid.parse` or `Jid.of`.
    """

    __slots__ = ("bare", "domain", "local", "resource", "xml")

    local: str
    domain: str
    resource: str
    bare: Jid
    xml: str

    def __new__(cls, text: str) -> Jid:
        return Jid.parse(text)

    @staticmethod
    def parse(text: str) -> Jid:
        """Return the address that `text` stands for, normalized. Raises JidError."""
        if type(text) is Jid:
            return text
        if len(text) < _CACHED_TEXT:
            return _parse_cached(text)
        return _parse(text)

    @staticmethod
    def of(local: str, domain: str, resource: str = "") -> Jid:
        """Return the address with these parts, each prepared first; "" leaves a part out. Raises JidError."""
        return _build(
            _prepare_local(local) if local else "",
            _prepare_domain(domain),
            _prepare_resource(resource) if resource else "",
        )

    def with_resource(self, resource: str) -> Jid:
        """Return this address with another resourcepart, or the bare address for "". Raises JidError."""
        return _build(self.local, self.domain, _prepare_resource(resource)) if resource else self.bare

    @property
    def is_bare(self) -> bool:
        """True if there is no resourcepart."""
        return not self.resource

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Jid is immutable, {name} can't be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Jid is immutable, {name} can't be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Jid.parse, (str(self),))

    def __repr__(self) -> str:
        return f"Jid({str(self)!r})"


def _build(local: str, domain: str, resource: str) -> Jid:
    """Put prepared parts together."""
    bare_text = f"{local}@{domain}" if local else domain
    text = f"{bare_text}/{resource}" if resource else bare_text
    jid = str.__new__(Jid, text)
    put = object.__setattr__
    put(jid, "local", local)
    put(jid, "domain", domain)
    put(jid, "resource", resource)
    put(jid, "bare", Jid.parse(bare_text) if resource else jid)
    put(jid, "xml", escape_attribute(text))
    return jid


def _parse(text: str) -> Jid:
    # Section 3.1: the separators are looked for before anything is mapped, the slash first.
    before_slash, slash, resource = text.partition("/")
    local, at, domain = before_slash.partition("@")
    if not at:
        local, domain = "", before_slash
    elif not local:
        raise JidError("the localpart before the '@' is empty")
    if slash and not resource:
        raise JidError("the resourcepart after the '/' is empty")
    return Jid.of(local, domain, resource)


_parse_cached = functools.lru_cache(maxsize=_CACHE_SIZE)(_parse)


def _prepare_local(local: str) -> str:
    """UsernameCaseMapped without the characters that section 3.3.1 excludes."""
    if _ASCII_LOCAL.match(local):
        prepared = local.lower()
    else:
        prepared = _enforce(USERNAME_CASE_MAPPED, local, "localpart")
        # Looked for in what the mapping made: a fullwidth '@' has become a plain one.
        excluded = _LOCAL_EXCLUDED.search(prepared)
        if excluded:
            raise JidError(f"the localpart has {excluded[0]!r}, which RFC 7622 section 3.3.1 excludes")
    return _limited(prepared, "localpart")


def _prepare_resource(resource: str) -> str:
    """OpaqueString (section 3.4); section 3.5 lists a leading space among what is not a JID."""
    if _ASCII_RESOURCE.match(resource):
        prepared = resource
    else:
        prepared = _enforce(OPAQUE_STRING, resource, "resourcepart")
        if prepared.startswith(" "):
            raise JidError("the resourcepart begins with a space")
    return _limited(prepared, "resourcepart")


def _enforce(profile: Any, text: str, part: str) -> str:
    if len(text) > MAX_PART_OCTETS:
        # Preparation may make a text shorter, but nobody's name is that long, and this bounds the work.
        raise JidError(f"the {part} is longer than {MAX_PART_OCTETS} characters")
    try:
        return enforce(profile, text)
    except PrecisError as error:
        raise JidError(f"the {part}: {error}") from None


def _limited(prepared: str, part: str) -> str:
    if len(prepared) * 4 > MAX_PART_OCTETS and len(prepared.encode()) > MAX_PART_OCTETS:
        raise JidError(f"the {part} is longer than {MAX_PART_OCTETS} octets")
    return prepared


def _prepare_domain(domain: str) -> str:
    """Section 3.2: an IP address, or a DNS name of NR-LDH labels and U-labels, without a trailing dot."""
    domain = domain.removesuffix(".")
    lowered = domain.lower()
    if len(lowered) <= _MAX_DNS_NAME and _ASCII_DOMAIN.match(lowered):
        return lowered
    if not domain:
        raise JidError("the domainpart is empty")
    if domain.startswith("["):
        return _prepare_ip_literal(domain)
    if len(domain) > MAX_PART_OCTETS:
        raise JidError(f"the domainpart is longer than {MAX_PART_OCTETS} octets")
    try:
        try:
            return _to_unicode(domain)
        except idna.IDNAError:
            # Upper case, fullwidth letters and the like: RFC 5895 wants them mapped, UTS 46 has the table.
            return _to_unicode(idna.uts46_remap(domain))
    except (idna.IDNAError, UnicodeError) as error:
        raise JidError(f"the domainpart is no domain name: {error}") from None


def _to_unicode(domain: str) -> str:
    """Turn A-labels into U-labels and check every label. Raises IDNAError."""
    name = ".".join(idna.ulabel(label) for label in domain.split("."))
    idna.encode(name, strict=True)  # checks the lengths in the form that goes into the DNS
    return name


def _prepare_ip_literal(domain: str) -> str:
    """An `IP-literal` (RFC 3986 section 3.2.2), of which only IPv6 exists so far, in canonical form."""
    try:
        address = ipaddress.IPv6Address(domain[1:].removesuffix("]"))
    except ValueError as error:
        raise JidError(f"the domainpart is no IPv6 address: {error}") from None
    if not domain.endswith("]") or address.scope_id is not None:
        raise JidError("the domainpart is no IPv6 address in brackets")
    return f"[{address}]"
