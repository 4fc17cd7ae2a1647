"""What a mail is before anybody reads it: a report, a program's, in circles, or proven to be from its sender.

RFC 3834 (automatic responses), RFC 3464 (delivery status notifications), RFC 8601 (Authentication-Results).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from xmppd.api import Condition, StanzaError
from xmppd.plugins.email.addresses import is_within
from xmppd.plugins.email.reading import Mail, header, headers, message_ids

__all__ = ["OWN_HEADER", "Report", "goes_in_circles", "is_authenticated", "is_automatic", "read_report"]

#: Mail with this header, and our domain in it, comes from us.
OWN_HEADER = "X-Xmppd-Gateway"
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_LIST = ("List-Id", "List-Post", "List-Unsubscribe", "Mailing-List", "X-Mailing-List")
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")
_FIELD = re.compile(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_COMMENT = re.compile(r"\([^()]*\)")
_RESULT = re.compile(r"([a-z0-9-]+)(?:\s*/\s*[0-9]+)?\s*=\s*([a-z]+)(?!\S)")
_PROPERTY = re.compile(r"(?<!\S)header\.(d|i|from)\s*=\s*@?(\S+)")
_WORD = re.compile(r"[a-z0-9.@_-]*\Z")
_MAX_RESULTS = 16_000  # characters of a header that are looked at
_MAX_ABOUT = 10  # mails that one report can be about


def goes_in_circles(mail: Mail, domain: str, hops: int) -> bool:
    """Has it been here before, or passed more than `hops` servers (RFC 5321 section 6.3)?"""
    return domain in headers(mail, OWN_HEADER) or len(headers(mail, "Received")) > hops


def is_automatic(mail: Mail) -> bool:
    """Did a program send it, or is it for many (RFC 3834 sections 2 and 5)?"""
    submitted = header(mail, "Auto-Submitted").partition(";")[0].strip().lower()
    if submitted not in ("", "no"):
        return True
    if header(mail, "Precedence").lower() in _BULK or header(mail, "X-Autoreply") or header(mail, "X-Autorespond"):
        return True
    return any(header(mail, name) for name in _LIST)


@dataclass(frozen=True)
class Report:
    """A delivery status notification.

    :ivar action: what happened to the mail: ``failed``, ``delayed``, ``delivered``, ``relayed`` or ``expanded``.
    :ivar error: what the sender is told, if it failed.
    :ivar about: Message-IDs of the mail that is meant, as far as it is named.
    """

    action: str
    error: StanzaError
    about: tuple[str, ...]


def read_report(mail: Mail) -> Report | None:
    """Return the report that a mail is, or None if it is none (RFC 3464 section 2)."""
    if mail.get_content_type() != "multipart/report":
        return None
    fields: dict[str, str] = {}
    about: list[str] = []
    for part in _parts(mail):
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            for block in _texts(part):
                fields |= {name.lower(): value.strip() for name, value in _FIELD.findall(block)}
        elif kind in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"):
            for block in _texts(part):
                about += [i for name, value in _FIELD.findall(block) if name.lower() == "message-id"
                          for i in message_ids(value)]  # fmt: skip
    action = fields.get("action", "").lower()
    if not action:
        return None
    return Report(action, _error(fields), tuple(dict.fromkeys(about))[:_MAX_ABOUT])


def _parts(mail: Mail) -> list[Mail]:
    payload = mail.get_payload()
    return [part for part in payload if isinstance(part, Mail)] if isinstance(payload, list) else []


def _texts(part: Mail) -> Iterator[str]:
    """Yield what is in a part as text, the headers of mails in it included."""
    inner = _parts(part)
    if not inner:
        payload = part.get_payload()
        yield payload if isinstance(payload, str) else ""
    for one in inner:
        yield "\n".join(f"{name}: {value}" for name, value in one.items())


def _error(fields: dict[str, str]) -> StanzaError:
    match = _STATUS.match(fields.get("status", ""))
    text = _COMMENT.sub("", fields.get("diagnostic-code", "").partition(";")[2]).replace("\n", " ").strip()[:300]
    code = (match[1], match[2]) if match else ("5", "0")
    if code[0] == "4":
        return StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=text or "the mail could not be delivered in time")
    if code[1] == "1":
        return StanzaError(Condition.ITEM_NOT_FOUND, text=text or "there is no such mail address")
    if code[1] == "2":
        return StanzaError(Condition.RECIPIENT_UNAVAILABLE, text=text or "the mailbox takes no mail")
    if code[1] == "7":
        return StanzaError(Condition.FORBIDDEN, text=text or "the mail was refused")
    return StanzaError(Condition.UNDEFINED_CONDITION, text=text or "the mail could not be delivered")


def is_authenticated(mail: Mail, authserv_id: str, sender: str) -> bool:
    """Does our own mail server say that the mail is from the domain in its From header (RFC 8601)?

    By ``dmarc=pass``, or by ``dkim=pass`` with the signature of that domain or one above it. Only the topmost header
    of that server counts: it is added last, and those below may be anybody's.

    :param authserv_id: the server's name in the header.
    :param sender: the address in From.
    """
    for value in mail.get_all("Authentication-Results", []):  # as it stands there: it isn't encoded, or somebody's
        name, *results = _statements(str(value)[:_MAX_RESULTS].lower())
        if name.split()[:1] == [authserv_id.lower()]:
            return any(_proves(result, sender.rpartition("@")[2]) for result in results)
    return False


def _statements(text: str) -> list[str]:
    """Return what stands between semicolons, without comments, which nest, and without what is quoted.

    Of what is quoted (RFC 8601 section 2.2: whatever others have said) only single words stay, as they mean themselves.
    """
    out: list[str] = []
    quoted: list[str] | None = None
    depth, characters = 0, iter(text)
    for character in characters:
        if character == "\\":
            character = next(characters, "")
            if quoted is not None:
                quoted.append(character)
        elif quoted is not None:
            if character == '"':
                word = "".join(quoted)
                out.append(word if _WORD.match(word) else "?")
                quoted = None
            else:
                quoted.append(character)
        elif character == "(":
            depth += 1
        elif depth:
            depth -= character == ")"
        elif character == '"':
            quoted = []
        else:
            out.append(character)
    return "".join(out).split(";")


def _proves(result: str, domain: str) -> bool:
    match = _RESULT.match(result.strip())
    if match is None or match[2] != "pass" or not domain:
        return False
    said = {name: value.rpartition("@")[2] for name, value in reversed(_PROPERTY.findall(result))}
    if match[1] == "dmarc":
        return said.get("from", domain) == domain
    signed = said.get("d") or said.get("i") or ""
    return match[1] == "dkim" and bool(signed) and is_within(domain, (signed,))
