"""SMPP's protocol data units (SMPP 3.4 section 4, 5.0 section 4), coded by python-smpplib.

Its tables describe the PDUs, and it encodes them. What comes is decoded here, because the library checks no length, and
refuses optional parameters that message centres do send.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smpplib import command_codes, consts, exceptions, smpp
from smpplib.ptypes import ostr

__all__ = ["BadPdu", "Pdu", "Reader", "encode", "is_response"]

_HEADER = 16


class BadPdu(Exception):
    """What came is no PDU that we know.

    :ivar status: the command_status that says so.
    :ivar fatal: nobody knows where the next one begins.
    """

    def __init__(self, status: int, sequence: int = 0, command: str = "", fatal: bool = False) -> None:
        super().__init__(f"bad PDU {command or '(unknown)'}, number {sequence}: status {status:#x}")
        self.status = status
        self.sequence = sequence
        self.command = command
        self.fatal = fatal


@dataclass(frozen=True, slots=True)
class Pdu:
    """One PDU.

    :ivar command: its name, as ``submit_sm_resp``.
    :ivar fields: the mandatory parameters that are there; texts are bytes.
    :ivar optional: the optional ones by tag; of several with one tag the first.
    """

    command: str
    status: int
    sequence: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[int, bytes] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A text, without what isn't ASCII; "" if it isn't there."""
        value = self.fields.get(name) or b""
        return "".join(chr(octet) for octet in value if 32 <= octet < 127)

    def number(self, name: str) -> int:
        """A number; 0 if it isn't there."""
        return self.fields.get(name) or 0

    def option(self, name: str) -> bytes | None:
        """An optional parameter, by the library's name for it."""
        return self.optional.get(consts.OPTIONAL_PARAMS[name])

    def optional_number(self, name: str) -> int | None:
        """An optional parameter that is a number; None if it isn't there, or of no size."""
        value = self.option(name)
        return int.from_bytes(value) if value else None


def is_response(command: str) -> bool:
    """Is it the answer to another PDU?"""
    return command.endswith("_resp") or command == "generic_nack"


class _Numbered:
    """What the library takes for the client that makes a PDU: it knows the number."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence

    def next_sequence(self) -> int:
        return self.sequence


def encode(command: str, sequence: int, status: int = 0, **fields: Any) -> bytes:
    """Return the octets of a PDU.

    :param fields: by the library's names; optional ones are left out.
    :raises ValueError: it can't be one.
    """
    pdu = smpp.make_pdu(command, client=_Numbered(sequence), **fields)
    pdu.sequence = sequence
    pdu.status = status
    for name, value in fields.items():
        setattr(pdu, name, value)  # the library has defaults for some that it doesn't let go of
    try:
        data: bytes = pdu.generate()
    except (struct.error, UnicodeError) as error:
        raise ValueError(f"{command} can't be sent: {error}") from None
    return data


def _decode(data: bytes) -> Pdu:
    code, status, sequence = struct.unpack(">LLL", data[4:_HEADER])
    command = next((name for name, its_code in command_codes.commands.items() if its_code == code), "")
    try:
        described = smpp.make_pdu(command, client=_Numbered(sequence))
    except exceptions.UnknownCommandError:
        raise BadPdu(consts.SMPP_ESME_RINVCMDID, sequence, command) from None
    fields: dict[str, Any] = {}
    body = data[_HEADER:]
    for name in described.params_order:
        if name in consts.OPTIONAL_PARAMS or (not body and is_response(command)):
            break  # answers of failure have no content
        value, body = _field(described.params[name], fields, body)
        if value is None:
            raise BadPdu(consts.SMPP_ESME_RINVMSGLEN, sequence, command)
        fields[name] = value
    return Pdu(command, status, sequence, fields, _options(body))


def _field(param: Any, before: Mapping[str, Any], data: bytes) -> tuple[Any, bytes]:
    """Take a mandatory parameter from the beginning; it is None if it isn't all there.

    :param before: those that came before.
    """
    if param.type is int:
        return (int.from_bytes(data[: param.size]) if len(data) >= param.size else None), data[param.size :]
    if param.type is ostr:
        length = before[param.len_field]
        return (data[:length] if len(data) >= length else None), data[length:]
    text, end, rest = data.partition(b"\0")
    # Some centres leave the end of a text out, where nothing comes behind it.
    return (text if end or text else None), rest


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= 4:
        tag, length = struct.unpack(">HH", data[:4])
        if len(data) < 4 + length:
            break
        found.setdefault(tag, data[4 : 4 + length])
        data = data[4 + length :]
    return found


class Reader:
    """Splits what comes into PDUs.

    :param largest: octets that one may have.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._data = b""

    def feed(self, data: bytes) -> list[Pdu | BadPdu]:
        """Return what is complete. After one that is fatal nothing more is to be expected."""
        self._data += data
        found: list[Pdu | BadPdu] = []
        while len(self._data) >= 4:
            length = int.from_bytes(self._data[:4])
            if not _HEADER <= length <= self._largest:
                self._data = b""
                found.append(BadPdu(consts.SMPP_ESME_RINVCMDLEN, fatal=True))
                break
            if len(self._data) < length:
                break
            one, self._data = self._data[:length], self._data[length:]
            try:
                found.append(_decode(one))
            except BadPdu as error:
                found.append(error)
        return found
