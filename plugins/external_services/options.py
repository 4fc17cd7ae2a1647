"""The options of external services."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, SecretStr, model_validator

from xmppd.api import Field, Options, Plugin

__all__ = ["ExternalServicesOptions", "Service"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_HOST = re.compile(r"[^\s/<>'\"&\[\]]*")
_PORTS: Mapping[str, int] = {"stun": 3478, "turn": 3478, "stuns": 5349, "turns": 5349}  # RFC 8489, RFC 8656
_TRANSPORTS: Mapping[str, str] = {"stun": "udp", "turn": "udp", "stuns": "tcp", "turns": "tcp"}
_RELAYS = ("turn", "turns")


def _name(value: str) -> str:
    if value and not _NAME.fullmatch(value):
        raise ValueError('it is a word like "turn" or "udp"')
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("it is a host's name or its address alone")
    return value.lower()


Name = Annotated[str, AfterValidator(_name)]


class Service(Options):
    """One of the services: a table `[[hosts."example.org".external_services.services]]` for each."""

    type: Name = Field(min_length=1, description="`stun`, `turn`, `stuns`, `turns`, or what else it is.")
    host: Annotated[str, AfterValidator(_host)] = Field(
        "", description="Its name or address; empty: the domain of the host."
    )
    port: int = Field(0, ge=0, le=65_535, description="Its port; 0: 3478 for stun and turn, 5349 for stuns and turns.")
    transport: Name = Field("", description="`udp` or `tcp`; empty: udp for stun and turn, tcp for stuns and turns.")
    name: str = Field("", description="What people may call it.")
    username: str = Field("", description="A name that is the same for everybody.")
    password: SecretStr = Field(SecretStr(""), description="The password that goes with it.")
    secret: SecretStr = Field(
        SecretStr(""), description="What is shared with it to make credentials of; empty: for turn and turns, `secret`."
    )
    restricted: bool | None = Field(None, description="Does it want credentials? By default: if there are some.")

    @property
    def usual_port(self) -> int | None:
        """The port it is at; None if that is not known."""
        return self.port or _PORTS.get(self.type)

    @property
    def usual_transport(self) -> str | None:
        """The transport protocol; None if that is not known."""
        return self.transport or _TRANSPORTS.get(self.type)

    def shared(self, common: SecretStr) -> bytes:
        """Return the secret that credentials are made of; empty if they aren't made.

        :param common: the secret of those relays that have no own.
        """
        if self.username:
            return b""
        own = self.secret.get_secret_value()
        return (own or (common.get_secret_value() if self.type in _RELAYS else "")).encode()


class ExternalServicesOptions(Plugin.Options):
    """Which services there are, and who is told of them. Without any, nobody is told anything."""

    services: tuple[Service, ...] = Field((), description="The services, a table for each.")
    secret: SecretStr = Field(
        SecretStr(""),
        description="What is shared with the TURN servers: `static-auth-secret` of coturn. Credentials are made of it.",
    )
    ttl_seconds: int = Field(
        86_400, ge=60, description="Seconds for which such credentials are good. A call may last longer."
    )
    who: Literal["accounts", "guests", "everybody"] = Field(
        "accounts",
        description="Who may ask: accounts of the host; guests as well, who logged in without an account; or users of"
        " other servers, too.",
    )
    max_requests: int = Field(30, ge=1, description="Requests of a user within a minute.")

    @model_validator(mode="after")
    def _fit_together(self) -> Any:
        # Not checked in Service: what is wrong with a table is shown with all that is in it.
        for number, service in enumerate(self.services):
            static = bool(service.username), bool(service.password.get_secret_value())
            if static[0] != static[1]:
                raise ValueError(f"services[{number}]: username and password go together")
            if static[0] and service.secret.get_secret_value():
                raise ValueError(f"services[{number}]: it has either a username or a secret")
            if service.restricted and not (static[0] or service.shared(self.secret)):
                raise ValueError(f"services[{number}]: a restricted service needs a secret, or username and password")
        return self
