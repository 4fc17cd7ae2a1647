"""Scopes: what somebody may run who may not run everything. Tokens of the REST API have them, and roles of the console.

A scope is a text:

- ``*``: every operation;
- ``read``: every operation that only reads (:attr:`xmppd.api.Operation.safe`);
- ``user:read``: those of them whose name begins with that word, ``user list`` and ``user info``;
- ``user:*``: all that begin with it;
- ``user add``: that one.

Scopes narrow down what is granted otherwise (:class:`xmppd.api.Permission`); they never add to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from xmppd.api.operations import Operation

__all__ = ["check_scope", "permits"]

_WORD = r"[a-z0-9][a-z0-9-]*"
_SCOPE = re.compile(rf"\*|read|{_WORD}:(?:read|\*)|{_WORD}(?: {_WORD})+")


def check_scope(text: str) -> str:
    """Return the scope.

    :raises ValueError: it is none; the text says what is.
    """
    if not _SCOPE.fullmatch(text):
        raise ValueError(
            f"{text!r} is no scope; '*' is everything, 'read' all that only reads, 'user:read' and 'user:*' what begins"
            " with that word, and 'user add' that operation"
        )
    return text


def permits(scopes: Collection[str], operation: Operation) -> bool:
    """Do the scopes allow that operation?"""
    subject = operation.name.partition(" ")[0]
    if operation.safe and ("read" in scopes or f"{subject}:read" in scopes):
        return True
    return "*" in scopes or f"{subject}:*" in scopes or operation.name in scopes
