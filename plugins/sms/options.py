"""The options of the SMS gateway."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, SecretStr, model_validator

from xmppd.api import Field, Options
from xmppd.api.gateway import Gateway

__all__ = ["Http", "Smpp", "SmsOptions", "Webhook"]

_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
_SHORT = re.compile(r"[0-9]{3,8}")
_PLACEHOLDERS = frozenset(("to", "from", "text", "id", "parts", "secret"))


def _prefixes(values: Iterable[str]) -> Any:
    for value in values:
        if value and not _PREFIX.fullmatch(value):
            raise ValueError(f"{value} is no prefix; write +49")
    return values


def _pattern(value: str) -> str:
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    if value and groups != 1:
        raise ValueError("it has to have one group: (...)")
    return value


def _template(value: str, known: frozenset[str] = _PLACEHOLDERS) -> str:
    try:
        names = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
    except ValueError as error:
        raise ValueError(f"{error}; write {{{{ for a brace") from None
    for name in names - known:
        raise ValueError(f"there is no {{{name}}}; there are {', '.join(f'{{{one}}}' for one in sorted(known))}")
    return value


def _templates(content: dict[str, Any]) -> dict[str, Any]:
    for value in content.values():
        _check(value)
    return content


def _check(value: Any) -> None:
    if isinstance(value, str):
        _template(value)
    elif isinstance(value, dict):
        _templates(value)
    elif isinstance(value, list):
        for one in value:
            _check(one)


Prefixes = Annotated[tuple[str, ...], AfterValidator(_prefixes)]


class Smpp(Options):
    """The message centre (SMPP 3.4 or 5.0), if `provider` is `smpp`."""

    endpoint: str = Field(
        "", description="Where it is, as Twisted writes it: `tcp:smsc.example:2775`, or `tls:smsc.example:3550`, which "
        "checks its certificate; `:trustRoots=FOLDER` names the authorities, if it isn't one of the system's.",
    )  # fmt: skip
    system_id: str = Field("", max_length=15, description="Our name there.")
    password: SecretStr = Field(SecretStr(""), max_length=8, description="The password.")
    system_type: str = Field(
        "", max_length=12, description="What the centre calls our kind of system, if it wants one."
    )
    address_range: str = Field("", max_length=40, description="The numbers we receive messages for, if it wants them.")
    version: Literal["3.4", "5.0"] = Field("3.4", description="The version of SMPP that is spoken.")
    service_type: str = Field("", max_length=5, description="The service that messages are sent by.")
    alphabet: Literal["gsm", "latin1"] = Field("gsm", description="What the centre takes data_coding 0 for.")
    long_messages: Literal["udh", "payload"] = Field(
        "udh", description="How long texts are sent: in parts with a header, or as a whole in message_payload."
    )
    wide_references: bool = Field(False, description="Number long messages with two octets; leaves less room for text.")
    reports: bool = Field(True, description="Ask for delivery reports? They become receipts and errors.")
    report_ids: Literal["same", "hex-to-decimal", "decimal-to-hex"] = Field(
        "same", description="How the number of a message in a report is made of that in the answer to submit_sm."
    )
    validity_minutes: int = Field(0, ge=0, le=43_200, description="Minutes the centre may try. 0: as it likes.")
    messages_per_second: float = Field(10.0, gt=0, description="Short messages submitted in a second at most.")
    window: int = Field(10, ge=1, le=1000, description="Submitted short messages that may be without an answer.")
    incoming_window: int = Field(50, ge=1, description="Incoming messages handled at once; more are put off.")
    pdu_octets: int = Field(70_000, ge=1000, description="Octets of one PDU; a longer one ends the connection.")
    connect_seconds: float = Field(30.0, gt=0, description="Seconds that connecting, and binding, may take.")
    response_seconds: float = Field(30.0, gt=0, description="Seconds to wait for each answer.")
    enquire_seconds: float = Field(30.0, gt=0, description="Seconds of silence before we ask if the link is alive.")
    reconnect_seconds: float = Field(
        2.0, gt=0, description="Seconds until we connect again; doubled each time it fails."
    )
    reconnect_max_seconds: float = Field(300.0, gt=0, description="Seconds between two attempts at most.")
    throttle_seconds: float = Field(
        1.0, gt=0, description="Seconds to pause when the centre says that it is too much; doubled each time."
    )
    throttle_max_seconds: float = Field(30.0, gt=0, description="Seconds of such a pause at most.")
    permanent_errors: tuple[int, ...] = Field((), description="Further command_status values that will not change.")
    temporary_errors: tuple[int, ...] = Field((), description="Values that may, though SMPP sounds as if they didn't.")


class Http(Options):
    """A provider's HTTP interface, if `provider` is `http`. In `url` and in the values of `body` stand for what is
    sent: `{to}`, `{from}`, `{text}`, `{id}` (the same if it is sent again), `{parts}` (how many short messages), and
    `{secret}`."""

    method: Literal["POST", "PUT", "GET"] = Field("POST", description="The method.")
    url: Annotated[str, AfterValidator(_template)] = Field("", description="The address, with https.")
    secret: SecretStr = Field(SecretStr(""), description="What `{secret}` stands for, so that it isn't shown.")
    headers: dict[str, SecretStr] = Field({}, description='More fields, as `Authorization = "Bearer ..."`.')
    format: Literal["json", "form"] = Field("json", description="What `body` is sent as.")
    body: Annotated[dict[str, Any], AfterValidator(_templates)] = Field({}, description="The content, as a table.")
    plus: bool = Field(True, description="Are numbers written with a plus sign, here and in what the provider calls?")
    success_statuses: tuple[int, ...] = Field((), description="Statuses that mean success; empty: 200 to 299.")
    success_field: str = Field(
        "", description="Where the answer says so too, as `messages.0.status`; empty: the status is enough."
    )
    success_values: tuple[str, ...] = Field((), description="What it says then.")
    id_field: str = Field(
        "", description="Where the answer has the provider's name for the message; needed for reports."
    )
    id_pattern: Annotated[str, AfterValidator(_pattern)] = Field(
        "", description="The same, in answers that are no JSON: a regular expression with one group."
    )
    permanent_statuses: tuple[int, ...] = Field(
        (400, 404, 405, 406, 409, 410, 413, 414, 415, 422),
        description="Statuses after which it is not tried again; the sender is told.",
    )
    messages_per_second: float = Field(10.0, gt=0, description="Requests in a second at most.")
    window: int = Field(5, ge=1, le=100, description="Requests at the same time.")
    timeout_seconds: float = Field(30.0, gt=0, description="Seconds to wait for an answer.")
    answer_octets: int = Field(65_536, ge=1, description="Octets that an answer may have.")


class Webhook(Options):
    """What the provider calls when a message or a report comes: `POST /sms/incoming` and `POST /sms/report` on the
    server's HTTP ports, with JSON or a form, signed with HMAC-SHA256. Without a secret they are off."""

    secret: SecretStr = Field(SecretStr(""), description="What is signed with.")
    signature_header: str = Field("X-Signature", description="The field that has the signature.")
    signature_prefix: str = Field("", description="What stands before it there, such as `sha256=`.")
    signature_encoding: Literal["hex", "base64"] = Field("hex", description="How it is written.")
    timestamp_header: str = Field(
        "", description="The field that has the time, in seconds since 1970; without one, old requests can be repeated."
    )
    tolerance_seconds: float = Field(300.0, gt=0, description="How far that may be from our clock.")
    signed: str = Field("{timestamp}.{body}", description="What is signed if there is a time; else it is the body.")
    list_field: str = Field("", description="Where the messages are, if several come at once, as `results`.")
    from_field: str = Field("from", description="Where the sender's number is.")
    to_field: str = Field("to", description="Where the number is that it was sent to.")
    text_field: str = Field("text", description="Where the text is.")
    id_field: str = Field("id", description="Where the provider's name for the message is.")
    status_field: str = Field("status", description="Where a report says what has become of it.")
    delivered: tuple[str, ...] = Field(("delivered", "DELIVRD"), description="What it says if it was delivered.")
    failed: tuple[str, ...] = Field(
        ("failed", "undelivered", "rejected", "expired", "UNDELIV", "REJECTD", "EXPIRED", "DELETED"),
        description="What it says if it won't be. Everything else is left out.",
    )
    reason_field: str = Field("", description="Where it says why.")

    @model_validator(mode="after")
    def _signed(self) -> Webhook:
        _template(self.signed, frozenset(("timestamp", "body")))
        if "{body}" not in self.signed or (self.timestamp_header and "{timestamp}" not in self.signed):
            raise ValueError("signed has to have {timestamp} and {body}, or requests could be made up")
        return self


class SmsOptions(Gateway.Options):
    """How short messages are sent, to whom, and what it may cost."""

    provider: Literal["smpp", "http"] = Field("smpp", description="How messages are sent.")
    smpp: Smpp = Field(Smpp(), description="The message centre.")
    http: Http = Field(Http(), description="The provider's HTTP interface.")
    webhook: Webhook = Field(Webhook(), description="What the provider calls.")
    sender: str = Field("", max_length=20, description="Number or name (11 characters) that messages come from.")
    numbers: dict[str, str] = Field(
        {}, description='Numbers of ours and whose they are, as `"+4915112345678" = "juliet@example.org"`: that user '
        "sends from it, and gets what is sent to it.",
    )  # fmt: skip
    fallback: tuple[str, ...] = Field((), description="Who gets messages that are for nobody else. Empty: refused.")
    reply_days: float = Field(30.0, gt=0, description="Days in which an answer goes to who wrote to that number last.")
    default_prefix: Annotated[str, AfterValidator(lambda value: _prefixes((value,))[0])] = Field(
        "", description="Of the country whose numbers may be written without it, such as `+49`."
    )
    allowed_prefixes: Prefixes = Field((), description="Where messages may be sent to. Empty: everywhere.")
    denied_prefixes: Prefixes = Field(
        ("+870", "+878", "+881", "+882", "+883", "+888", "+979"),
        description="Where not: satellites and other networks of no country, unless said otherwise. Of the prefixes "
        "that fit, the longest decides.",
    )
    premium: bool = Field(False, description="May messages be sent to numbers that cost extra?")
    short_codes: tuple[str, ...] = Field((), description="Short numbers that may be written to.")
    max_parts: int = Field(6, ge=1, le=255, description="Short messages that one message may take.")
    part_seconds: float = Field(
        600.0, gt=0, description="Seconds to wait for the missing parts of an incoming message."
    )
    incomplete_messages: int = Field(1000, ge=1, description="Incoming messages that may wait for parts at a time.")
    prices: dict[str, float] = Field(
        {}, description='What a short message costs, by prefix, as `"+49" = 7.5`; `"" = 20` for all others. If there '
        "are any, numbers without a price may not be written to.",
    )  # fmt: skip
    currency: str = Field("cent", description="What prices are in.")
    user_cap: float = Field(0.0, ge=0, description="What one user may spend in a month (UTC). 0: no limit.")
    gateway_cap: float = Field(0.0, ge=0, description="What all users together may spend in a month. 0: no limit.")

    @model_validator(mode="after")
    def _prices(self) -> SmsOptions:
        _prefixes(prefix for prefix in self.prices if not _SHORT.fullmatch(prefix))
        if any(price < 0 for price in self.prices.values()):
            raise ValueError("prices can't be negative")
        if not all(map(math.isfinite, (*self.prices.values(), self.user_cap, self.gateway_cap))):
            raise ValueError("prices, user_cap and gateway_cap have to be numbers")
        return self
