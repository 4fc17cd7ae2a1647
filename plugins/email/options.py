"""The options of the mail gateway."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import SecretStr, model_validator

from xmppd.api import Field
from xmppd.api.gateway import Gateway

__all__ = ["MailOptions"]

_HOST = re.compile(r"(?:tcp|tls|tcp6|ssl|host):((?:[^:\\]|\\.)*)")


class MailOptions(Gateway.Options):
    """Where mail goes to, where it comes from, and what is taken."""

    smarthost: str = Field(
        "tcp:127.0.0.1:25",
        description="The mail server that takes mail from here, as Twisted writes it: `tcp:mail.example.org:587`, or"
        " `tls:mail.example.org:465` for TLS from the beginning.",
    )
    security: Literal["auto", "starttls", "none"] = Field(
        "auto",
        description="STARTTLS to that server, with a certificate that is checked, or none. `auto`: always, but on"
        " loopback and with `tls:`.",
    )
    server_name: str = Field("", description="The name that the certificate must have; empty: the one in `smarthost`.")
    username: str = Field("", description="Our name there, if it wants one.")
    password: SecretStr = Field(SecretStr(""), description="Our password there.")
    listen: str = Field(
        "tcp:2525:interface=127.0.0.1",
        description="Where a mail server brings answers by SMTP; empty: there are none.",
    )
    mail_domain: str = Field(
        "", description="The domain of the addresses that answers go to; empty: the gateway's own."
    )
    recipients: tuple[str, ...] = Field(
        (), description="Domains to which users may write, with all beneath them; empty: all."
    )
    subject: str = Field("Message from {user}", max_length=200, description="The subject of mails without one.")
    footer: str = Field(
        "{user} wrote this by instant messaging. Your answer will reach them there.",
        max_length=1000,
        description="What stands beneath each mail.",
    )
    conversation_hours: float = Field(
        12.0, gt=0, description="Hours of silence after which mails to the same address are a new conversation."
    )
    thread_days: float = Field(90.0, gt=0, description="Days that it is remembered what belongs to a conversation.")
    max_octets: int = Field(2_000_000, ge=1000, description="Octets that a mail may have, with all attachments.")
    mails_per_hour: int = Field(60, ge=1, description="Mails to one user from one address in an hour.")
    hops: int = Field(50, ge=1, description="Servers that a mail may have passed; more of them are a loop.")
    automatic: bool = Field(
        False, description="Take mail that programs sent, as notes of absence and mailing lists? Else it is dropped."
    )
    authserv_id: str = Field(
        "",
        description="The name by which our mail server writes Authentication-Results. If it is given, only mail is"
        " taken whose sender is proven there.",
    )
    connections: int = Field(20, ge=1, description="Connections of mail servers to `listen` at the same time.")
    smtp_seconds: int = Field(60, ge=1, description="Seconds that another mail server may be silent.")
    per_day: int = Field(
        200, ge=0, description="What one user may send in a day (UTC): messages, or what they cost. 0: no limit."
    )

    @model_validator(mode="after")
    def _passwords_are_encrypted(self) -> MailOptions:
        if self.username and self.starttls_name is None and not self.is_local and not self.smarthost.startswith("tls:"):
            raise ValueError("a password is not sent without TLS: set security or smarthost otherwise")
        return self

    @property
    def smarthost_name(self) -> str:
        """The host in `smarthost`, or ""."""
        match = _HOST.match(self.smarthost)
        return match[1].replace("\\", "") if match else ""

    @property
    def is_local(self) -> bool:
        """Is that server on this machine?"""
        return self.smarthost_name in ("localhost", "::1") or self.smarthost_name.startswith("127.")

    @property
    def starttls_name(self) -> str | None:
        """The name to be checked with STARTTLS; None: without."""
        if self.security == "none" or self.smarthost.startswith("tls:"):
            return None
        if self.security == "auto" and self.is_local:
            return None
        return self.server_name or self.smarthost_name
