"""Reading a mail: what was written, by whom, in answer to what (RFC 5322, RFC 2045 to 2047).

Everything here may come from somebody who means harm. Nothing is trusted to be what it says: unknown charsets, broken
encodings and malformed headers give readable text, and what would take too long is refused.
"""

from __future__ import annotations

import codecs
import email
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message as Mail
from email.policy import compat32
from email.utils import getaddresses, mktime_tz, parsedate_tz
from typing import Any

from xmppd.plugins.email.addresses import parse_address
from xmppd.plugins.email.text import html_to_text, without_quotes

__all__ = ["BadMail", "Letter", "Mail", "header", "headers", "message_ids", "parse", "read_letter"]

_MAX_PARTS = 200
_MAX_BOUNDARIES = 2_000  # lines that may begin a part
_MAX_HEADERS = 1_000
_MAX_LINES = 100_000
_MAX_DEPTH = 20
_MAX_TEXT = 200_000  # characters that are looked at
_MAX_HEADER = 2_000  # characters of one header that are looked at
_MAX_STRUCTURED = 16_000  # octets of a header with parameters
_STRUCTURED = re.compile(rb"^content-[a-z-]+:[^\n]*(?:\n[ \t][^\n]*)*", re.MULTILINE | re.IGNORECASE)
_BLANK = re.compile(rb"^\r?\n", re.MULTILINE)
_BOUNDARY = re.compile(rb"^--", re.MULTILINE)
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,250}>")
_LINE = re.compile(r"[\s\x00-\x1f\x7f]+")
#: Codecs that nobody writes mail in; with some of them a mail can take as long as it likes to.
_NO_CHARSETS = frozenset({"punycode", "idna", "unicode_escape", "raw_unicode_escape", "unicode-escape",
                          "raw-unicode-escape", "charmap", "undefined", "utf-7"})  # fmt: skip


class BadMail(Exception):
    """A mail that can't be read; the text says why, to its sender."""


@dataclass(frozen=True)
class Letter:
    """What is in a mail.

    :ivar sender: the address in From, or "" if there is none that can be read. Anybody can write anything there.
    :ivar name: the name in From.
    :ivar text: what was written, without what is quoted at the end.
    :ivar attachments: of each a line that says what it is.
    :ivar id: the Message-ID with its brackets, or "".
    :ivar answers: Message-IDs that it answers: of In-Reply-To, then of References, the latest first.
    :ivar root: the first Message-ID of the conversation, which may be its own.
    :ivar date: when it was sent, in seconds since the epoch, as it says itself; None if it doesn't.
    """

    sender: str
    name: str
    subject: str
    text: str
    attachments: tuple[str, ...] = ()
    id: str = ""
    answers: tuple[str, ...] = field(default=())
    root: str = ""
    date: float | None = None


def parse(content: bytes) -> Mail:
    """Parse a mail.

    :raises BadMail: it has too many parts or headers, or is nested too deeply.
    """
    if sum(1 for _ in _BOUNDARY.finditer(content)) > _MAX_BOUNDARIES:
        raise BadMail("it has too many parts")
    if content.count(b"\n") > _MAX_LINES:
        raise BadMail("it has too many lines")
    blank = _BLANK.search(content)
    if content.count(b"\n", 0, len(content) if blank is None else blank.start()) > _MAX_HEADERS:
        raise BadMail("it has too many headers")
    if any(len(match[0]) > _MAX_STRUCTURED for match in _STRUCTURED.finditer(content)):
        raise BadMail("a header is too long")
    try:
        mail = email.message_from_bytes(content, policy=compat32)
    except (RecursionError, MessageError, ValueError, LookupError, TypeError, AssertionError) as error:
        raise BadMail(f"it can't be read: {type(error).__name__}") from None
    if _depth(mail) > _MAX_DEPTH:
        raise BadMail("its parts are nested too deeply")
    return mail


def _depth(mail: Mail) -> int:
    deepest, level = 0, [mail]
    while level and deepest <= _MAX_DEPTH:
        deepest += 1
        level = [part for one in level for part in _children(one)]
    return deepest


def _children(mail: Mail) -> list[Mail]:
    payload: Any = mail.get_payload()
    return [part for part in payload if isinstance(part, Mail)] if isinstance(payload, list) else []


def headers(mail: Mail, name: str) -> list[str]:
    """Return all headers of that name, decoded, each on one line."""
    try:
        found: list[Any] = mail.get_all(name, [])
    except (ValueError, LookupError):
        return []
    return [_decoded(str(value)) for value in found]


def header(mail: Mail, name: str) -> str:
    """Return the first header of that name, decoded and on one line, or ""."""
    return next(iter(headers(mail, name)), "")


def _decoded(value: str) -> str:
    value = _LINE.sub(" ", value[:_MAX_HEADER])
    try:
        parts = [_text(part, charset) for part, charset in decode_header(value)]
    except (HeaderParseError, ValueError, LookupError):
        parts = [value]
    return _LINE.sub(" ", "".join(parts).encode("utf-8", "replace").decode("utf-8")).strip()


def _text(content: bytes | str, charset: str | None) -> str:
    """Decode, whatever it says it is: text in UTF-8 is known for that, the rest as well as it goes."""
    if isinstance(content, str):
        return content
    charset = _known(charset)
    for name in (charset or "utf-8", "utf-8"):
        try:
            return content.decode(name)
        except (LookupError, ValueError, TypeError):
            continue
    try:
        return content.decode(charset or "latin-1", "replace")
    except (LookupError, ValueError, TypeError):
        return content.decode("latin-1")


def _known(charset: str | None) -> str | None:
    """Return a charset that mail may be written in, or None."""
    try:
        name = codecs.lookup(charset or "").name
    except (LookupError, ValueError, TypeError):
        return None
    return None if name in _NO_CHARSETS else name


def message_ids(text: str) -> list[str]:
    """Return the Message-IDs in a header, in order."""
    return _MESSAGE_ID.findall(text)


def read_letter(mail: Mail) -> Letter:
    """Return what is in a mail. Fails for nothing."""
    name, sender = _sender(mail)
    references = message_ids(header(mail, "References"))
    answered = message_ids(header(mail, "In-Reply-To"))
    own = next(iter(message_ids(header(mail, "Message-ID"))), "")
    text, attachments = _content(mail)
    return Letter(
        sender=sender,
        name=name,
        subject=header(mail, "Subject"),
        text=without_quotes(text[:_MAX_TEXT]),
        attachments=tuple(attachments),
        id=own,
        answers=tuple(dict.fromkeys([*answered, *reversed(references)])),
        root=next(iter([*references, *answered, own]), ""),
        date=_date(header(mail, "Date")),
    )


def _sender(mail: Mail) -> tuple[str, str]:
    """Return name and address in From. If there are several, none of them is the one."""
    try:
        given: list[Any] = mail.get_all("From", [])
        # Addresses are found first and decoded then: a name may hold what looks like one when it is decoded.
        found = getaddresses([_LINE.sub(" ", str(value)[:_MAX_HEADER]) for value in given[:2]])
    except (ValueError, IndexError, TypeError, LookupError, RecursionError):
        return "", ""
    if len(found) != 1:
        return "", ""
    name = _decoded(found[0][0])
    try:
        return name, parse_address(found[0][1])
    except ValueError:
        return name, ""


def _date(text: str) -> float | None:
    try:
        parsed = parsedate_tz(text)
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _content(mail: Mail) -> tuple[str, list[str]]:
    """Return the text, and a line for each attachment."""
    plain: list[str] = []
    html: list[str] = []
    attachments: list[str] = []
    for number, part in enumerate(_leaves(mail)):
        if number >= _MAX_PARTS:
            attachments.append("[more attachments]")
            break
        kind, filename = part.get_content_type(), _filename(part)
        inline = not filename and part.get_content_disposition() != "attachment"
        if inline and kind == "text/plain":
            plain.append(_decoded_part(part))
        elif inline and kind == "text/html":
            html.append(html_to_text(_decoded_part(part)))
        else:
            attachments.append(f"[attachment: {filename or 'without a name'}, {kind}, {_size(part)}]")
    return "\n".join(text for text in (plain if "".join(plain).strip() else html) if text.strip()), attachments


def _leaves(mail: Mail) -> Iterator[Mail]:
    """Yield the parts that hold something; a mail that was forwarded as an attachment is one part."""
    children = _children(mail)
    if not children or mail.get_content_maintype() == "message":
        yield mail
    else:
        for child in children:
            yield from _leaves(child)


def _filename(part: Mail) -> str:
    try:
        return _decoded(part.get_filename() or "")[:200]
    except (ValueError, LookupError, TypeError):
        return "?"


def _octets(part: Mail) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        payload = None
    return payload if isinstance(payload, bytes) else b""


def _decoded_part(part: Mail) -> str:
    try:
        charset = part.get_content_charset()
    except (ValueError, LookupError):
        charset = None
    return _text(_octets(part), charset)


def _size(part: Mail) -> str:
    octets = len(_octets(part)) or sum(len(str(child)) for child in _children(part))
    return f"{octets} octets" if octets < 1000 else f"{octets / 1000:.0f} kB"
