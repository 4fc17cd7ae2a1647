"""Files that name accounts: addresses or aliases, one a line, as spreadsheets write them."""

from __future__ import annotations

import csv
import io

from xmppd.api import Jid, JidError
from xmppd.api.notifications import NotificationError
from xmppd.plugins.notifications.values import check_name

__all__ = ["entries"]

_HEADINGS = ("jid", "account", "address", "alias", "user", "username")


def entries(text: str, host: str, most: int) -> tuple[list[str], list[str]]:
    """Return the addresses and the aliases in the first column of a file, each once; a heading is left out.

    :param host: the domain that addresses are of.
    :param most: how many there may be.
    :raises NotificationError: a line is wrong, or there are too many.
    """
    addresses: dict[str, None] = {}
    aliases: dict[str, None] = {}
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        for number, row in enumerate(reader, 1):
            entry = row[0].strip() if row else ""
            if not entry or entry.startswith("#") or (number == 1 and entry.lower() in _HEADINGS):
                continue
            if "@" in entry:
                addresses[_address(entry, host, number)] = None
            else:
                aliases[_alias(entry, number)] = None
            if len(addresses) + len(aliases) > most:
                raise NotificationError(f"csv: more than {most} accounts are too many")
    except csv.Error as error:
        raise NotificationError(f"csv: line {reader.line_num}: {error}") from None
    return list(addresses), list(aliases)


def _address(entry: str, host: str, number: int) -> str:
    try:
        jid = Jid.parse(entry)
    except JidError as error:
        raise NotificationError(f"csv: line {number}: {error}") from None
    if jid.domain != host or not jid.local:
        raise NotificationError(f"csv: line {number}: {entry[:128]} is not an account of {host}")
    return str(jid.bare)


def _alias(entry: str, number: int) -> str:
    try:
        return check_name(entry)
    except ValueError as error:
        raise NotificationError(f"csv: line {number}: {error}") from None
