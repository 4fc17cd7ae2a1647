"""What went wrong, as programs are told (RFC 9457): ``application/problem+json``, and which status it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from xmppd.api.http import Headers, Response
from xmppd.api.operations import OperationError
from xmppd.wire.errors import Condition

__all__ = ["STATUSES", "TYPE", "Problem", "of_operation", "sentence"]

TYPE = "application/problem+json"
#: The status for each condition that an operation can fail with (RFC 6120 section 8.3.3; RFC 9110 section 15).
STATUSES: Mapping[Condition, HTTPStatus] = {
    Condition.BAD_REQUEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    Condition.CONFLICT: HTTPStatus.CONFLICT,
    Condition.FEATURE_NOT_IMPLEMENTED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Condition.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Condition.GONE: HTTPStatus.NOT_FOUND,
    Condition.INTERNAL_SERVER_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    Condition.ITEM_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Condition.JID_MALFORMED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Condition.NOT_ACCEPTABLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Condition.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    Condition.NOT_AUTHORIZED: HTTPStatus.FORBIDDEN,
    Condition.POLICY_VIOLATION: HTTPStatus.UNPROCESSABLE_ENTITY,
    Condition.RECIPIENT_UNAVAILABLE: HTTPStatus.CONFLICT,
    Condition.REDIRECT: HTTPStatus.CONFLICT,
    Condition.REGISTRATION_REQUIRED: HTTPStatus.FORBIDDEN,
    Condition.REMOTE_SERVER_NOT_FOUND: HTTPStatus.UNPROCESSABLE_ENTITY,
    Condition.REMOTE_SERVER_TIMEOUT: HTTPStatus.SERVICE_UNAVAILABLE,
    Condition.RESOURCE_CONSTRAINT: HTTPStatus.SERVICE_UNAVAILABLE,
    Condition.SERVICE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Condition.SUBSCRIPTION_REQUIRED: HTTPStatus.FORBIDDEN,
    Condition.UNDEFINED_CONDITION: HTTPStatus.UNPROCESSABLE_ENTITY,
    Condition.UNEXPECTED_REQUEST: HTTPStatus.CONFLICT,
}
_RETRY_SECONDS = "10"


class Problem(Exception):
    """A request that is refused, or that failed.

    :param code: a short name of the problem that stays the same, for programs.
    :param detail: what went wrong with this request, for people.
    :param errors: what is wrong with which parameter, as (where it stands, its name, what is wrong).
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = HTTPStatus(status)
        self.code = code
        self.headers = dict(headers or {})
        self._errors = errors

    def response(self) -> Response:
        """Return the answer that says so."""
        content: dict[str, Any] = {
            "title": self.status.phrase,
            "status": int(self.status),
            "code": self.code,
            "detail": str(self),
        }
        if self._errors:
            content["errors"] = [{"in": place, "name": name, "detail": text} for place, name, text in self._errors]
        return Response(int(self.status), json.dumps(content).encode() + b"\n", TYPE, Headers(self.headers))


def of_operation(error: OperationError) -> Problem:
    """Return the problem for an operation that could not be done."""
    status = STATUSES[error.condition]
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:  # what went wrong inside is for the log
        return Problem(status, "internal-error", "The operation failed; the server's log says why.")
    headers = {"Retry-After": _RETRY_SECONDS} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    code = "not-possible" if error.condition is Condition.BAD_REQUEST else str(error.condition)
    return Problem(status, code, sentence(str(error)), headers)


def sentence(text: str) -> str:
    """Return a text with an end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
