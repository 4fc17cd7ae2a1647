"""Files of accounts to import: one a line, as ``user@domain password`` or as CSV, ``user@domain,password``."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection

from xmppd.api.operations import OperationError
from xmppd.wire.jid import Jid, JidError

__all__ = ["read_users"]

_LINE = re.compile(r'"?(?P<jid>[^\s"]+@[^\s"@,;]+)"?(?:\s*(?P<comma>[,;])\s*|\s+)(?P<password>.+)')
_HEADER = re.compile(r'"?(jid|account|user(name)?|address)"?\s*[,;]', re.I)


def read_users(text: str, hosts: Collection[str]) -> list[tuple[Jid, str]]:
    """Return the addresses and passwords in a file's text.

    Empty lines, lines that begin with ``#`` and a header line of a CSV file are passed over. A password in a CSV file
    may stand in quotes.

    :param hosts: the domains that accounts may be in.
    :raises OperationError: a line is wrong; the text has its number and what is wrong. Nothing of it is a password.
    """
    found: dict[Jid, str] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#") or (number == 1 and _HEADER.match(line)):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise OperationError(f"line {number}: this is not of the form user@domain password")
        jid = _address(match["jid"], number, hosts)
        if jid in found:
            raise OperationError(f"line {number}: {jid} is there twice")
        found[jid] = _unquoted(match["password"], match["comma"], number)
    if not found:
        raise OperationError("the file names no account")
    return list(found.items())


def _address(text: str, number: int, hosts: Collection[str]) -> Jid:
    try:
        jid = Jid.parse(text)
    except JidError as error:
        raise OperationError(f"line {number}: {text}: {error}") from None
    if not jid.is_bare:
        raise OperationError(f"line {number}: {jid} is not of the form user@domain")
    if jid.domain not in hosts:
        raise OperationError(f"line {number}: {jid.domain} is not served here; the hosts are {', '.join(hosts)}")
    return jid


def _unquoted(password: str, separator: str | None, number: int) -> str:
    if separator is None:
        return password
    try:
        fields = next(csv.reader([password], delimiter=separator, strict=True))
    except csv.Error as error:
        raise OperationError(f"line {number}: this is not CSV: {error}") from None
    if len(fields) != 1:
        raise OperationError(f"line {number}: more than two fields; a password with a {separator!r} needs quotes")
    return fields[0]
