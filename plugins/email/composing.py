"""Writing a mail (RFC 5322): what a user says cannot get out of the place it is put into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import quoprimime
from email.header import Header
from email.utils import formatdate

from xmppd.plugins.email.judging import OWN_HEADER

__all__ = ["Draft", "compose", "one_line"]

_NOT_ALLOWED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_PLAIN = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*\Z")
_LINE = 74  # octets: a dot that begins a line takes two more
_REFERENCES = 10  # Message-IDs in References


@dataclass(frozen=True)
class Draft:
    """A mail to be.

    :ivar name: the name in From.
    :ivar sender: the address in From, which answers go to.
    :ivar recipient: the address it goes to.
    :ivar text: what is in it.
    :ivar footer: a line or two behind the text.
    :ivar id: its Message-ID, with brackets.
    :ivar references: Message-IDs of those before it, the latest last.
    :ivar date: when it was sent, in seconds since the epoch.
    :ivar domain: of the gateway, by which it knows its own mails.
    """

    name: str
    sender: str
    recipient: str
    subject: str
    text: str
    footer: str
    id: str
    references: Sequence[str]
    date: float
    domain: str


def one_line(text: str, limit: int = 200) -> str:
    """Return text that fits into a header: without line breaks and control characters, and not too long."""
    line = " ".join(_NOT_ALLOWED.sub(" ", text).split())
    return line if len(line) <= limit else line[: limit - 1] + "\u2026"


def compose(draft: Draft) -> bytes:
    """Return the mail; its lines end with LF, and none begins with a dot."""
    fields = [
        ("Date", formatdate(draft.date)),
        ("From", _mailbox(draft.name, draft.sender)),
        ("To", draft.recipient),
        ("Subject", _unstructured(draft.subject, len("Subject: "))),
        ("Message-ID", draft.id),
    ]
    if draft.references:
        fields.append(("In-Reply-To", draft.references[-1]))
        fields.append(("References", "\n ".join(draft.references[-_REFERENCES:])))
    fields += [
        ("Auto-Submitted", "no"),
        (OWN_HEADER, draft.domain),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "quoted-printable"),
    ]
    head = "".join(f"{name}: {value}\n" for name, value in fields)
    return f"{head}\n{_body(draft.text, draft.footer)}".encode("ascii")


def _mailbox(name: str, address: str) -> str:
    name = one_line(name, 100)
    if not name:
        return address
    shown = name if _PLAIN.match(name) else _unstructured(name, len("From: ")) if not name.isascii() else _quoted(name)
    return f"{shown}\n <{address}>"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unstructured(text: str, taken: int) -> str:
    line = one_line(text)
    if line.isascii():
        return Header(line, "us-ascii", maxlinelen=_LINE, header_name="x" * max(taken - 2, 0)).encode()
    return Header(line, "utf-8", maxlinelen=_LINE, header_name="x" * max(taken - 2, 0)).encode()


def _body(text: str, footer: str) -> str:
    text = _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    whole = f"{text}\n\n-- \n{footer}\n" if footer else f"{text}\n"
    encoded = quoprimime.body_encode(whole.encode("utf-8").decode("latin-1"), maxlinelen=_LINE)
    # SMTP doubles a dot that begins a line, which may go wrong on the way.
    return re.sub(r"^\.", "=2E", encoded, flags=re.MULTILINE)
