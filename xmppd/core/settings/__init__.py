"""The server's settings, as typed models: what may stand in the TOML file, with defaults and descriptions.

:mod:`xmppd.core.settings_file` reads a file into :class:`Settings`; the reference page and the example file are
rendered from these models, so a description here is the documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from xmppd.core.settings.bosh import Bosh
from xmppd.core.settings.components import Component, Delegation, Privileges, Uplink
from xmppd.core.settings.http import Http, Listen
from xmppd.core.settings.legacy import LegacyTls
from xmppd.core.settings.network import Domain, S2s
from xmppd.core.settings.section import LOOPBACK, Section

__all__ = [
    "LOOPBACK", "MECHANISMS", "Accounts", "Bosh", "Component", "Database", "Delegation", "Domain", "Host", "Http",
    "LegacyTls", "Limits", "Listen", "Mechanism", "Privileges", "S2s", "Section", "Server", "Settings",
    "StreamManagement", "Tls", "Uplink", "is_fixed", "needs_restart",
]  # fmt: skip
Mechanism = Literal[
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1",
    "EXTERNAL",
    "PLAIN",
    "ANONYMOUS",
]
MECHANISMS: tuple[Mechanism, ...] = tuple(name for name in get_args(Mechanism) if name != "ANONYMOUS")
"""SASL mechanisms on offer unless the settings say otherwise, best first; not among them is ANONYMOUS (XEP-0175)."""
SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Server(Section):
    """The process: where it keeps its data, what it logs."""

    data_dir: Annotated[Path, Field(strict=False)] = Path("xmppd-data")
    """Folder of the database, certificates and the admin socket. Relative to the folder of this file."""
    admin_socket: Annotated[Path, Field(strict=False)] = Path("admin.sock")
    """Unix socket through which `xmppctl` talks to the running server. Relative to `data_dir`."""
    plugin_paths: Annotated[tuple[Path, ...], Field(strict=False)] = ()
    """Folders with plugins of your own: files or folders. Relative to the folder of this file. Their code runs
    with all rights of the server."""
    log_level: Literal["debug", "info", "warn", "error", "critical"] = "info"
    """The least important messages that are logged."""
    log_format: Literal["text", "json"] = "text"
    """Log lines for people, or one JSON object a line."""
    log_lines: Annotated[int, Field(ge=0, le=100_000)] = 2_000
    """So many of the last lines are kept in memory, for `xmppctl log list` and the console."""
    audit_days: Annotated[int, Field(ge=0)] = 365
    """How long it is kept which operations were run, by whom (`xmppctl audit list`). 0: for ever."""
    plain_without_tls: bool = False
    """Let connections from loopback addresses log in without TLS, with PLAIN among the mechanisms. For tests
    and load generators. The same goes for servers and components that connect from there."""
    drain_seconds: Annotated[float, Field(gt=0)] = 10.0
    """On SIGTERM, how long clients may take to receive what is queued for them before they are cut off."""


class Database(Section):
    """Where accounts and messages are kept."""

    url: Annotated[str, Field(repr=False)] = "sqlite:///xmppd.sqlite"
    """A SQLAlchemy URL. `sqlite:///FILE` is relative to `data_dir`; `postgresql://USER:PASSWORD@HOST/NAME` needs
    the `postgres` extra (psycopg)."""
    gather_seconds: Annotated[float, Field(ge=0, le=1)] = 0.002
    """Time between two transactions in which messages gather to share the next one. More costs less, and every message
    waits longer."""
    patience_seconds: Annotated[float, Field(ge=0)] = 5.0
    """How long messages wait when the database can't be written; then new ones are refused with
    `resource-constraint`. Those that wait are stored when it works again."""
    queue_stanzas: Annotated[int, Field(ge=1)] = 10_000
    """Stanzas whose traces may wait to be stored; above it, clients are read no further."""
    queue_octets: Annotated[int, Field(ge=1_000_000)] = 67_108_864
    """The same in octets."""


class Tls(Section):
    """TLS for every host. A host's own certificate is `certificate` under the host, or else `HOST.crt` and
    `HOST.key` in `certificate_dir`. Domains beneath a host and components show the certificate of the nearest host
    above them, unless they have one of their own in that folder."""

    certificate_dir: Annotated[Path, Field(strict=False)] = Path("certs")
    """Folder searched for `HOST.crt` (with intermediates) and `HOST.key`, `HOST.pem` (both in one file), or
    `HOST/fullchain.pem` and `HOST/privkey.pem` as Let's Encrypt's tools leave them. Relative to `data_dir`."""
    certificate: Annotated[Path | None, Field(strict=False, examples=["/etc/xmppd/example.org.crt"])] = None
    """PEM file, certificate first, then intermediates, for hosts that have none of their own. Relative to the
    folder of this file."""
    key: Annotated[Path | None, Field(strict=False, examples=["/etc/xmppd/example.org.key"])] = None
    """PEM file of the private key to `certificate`; not needed when that file holds it too."""
    required: bool = True
    """Clients have to start TLS before they log in (but see `plain_without_tls`)."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that is spoken."""
    ciphers: Annotated[str, Field(min_length=1)] = SUITES
    """Cipher suites for TLS 1.2, as an OpenSSL list. Those of TLS 1.3 are OpenSSL's defaults."""
    session_tickets: bool = True
    """Let clients resume a TLS session, which spares the public-key operation."""
    client_ca: Annotated[Path | None, Field(strict=False, examples=["/etc/xmppd/clients.pem"])] = None
    """PEM file of the authorities whose client certificates are believed for SASL EXTERNAL (XEP-0178). Without it
    clients are not asked for one, and EXTERNAL is not on offer. Relative to the folder of this file."""
    expires_soon_days: Annotated[int, Field(ge=0)] = 14
    """From how many days before its end `xmppctl check` and the log warn of a certificate."""


class Limits(Section):
    """What a client may cost. Reaching a limit ends in the error that RFC 6120 names, or in waiting."""

    stanza_octets_before_auth: Annotated[int, Field(ge=10_000)] = 10_000
    """Largest stanza in octets before login (RFC 6120 section 13.12 wants 10000 at least)."""
    stanza_octets: Annotated[int, Field(ge=10_000)] = 262_144
    """Largest stanza in octets after login."""
    stream_header_octets: Annotated[int, Field(ge=512)] = 4_096
    """Largest opening tag of a stream, in octets."""
    element_depth: Annotated[int, Field(ge=8)] = 64
    """How deep elements may nest in a stanza."""
    element_attributes: Annotated[int, Field(ge=8)] = 64
    """Attributes of one element, namespace declarations included."""
    stanza_children: Annotated[int, Field(ge=16)] = 1_024
    """Direct children of one stanza."""
    negotiation_seconds: Annotated[float, Field(gt=0)] = 60.0
    """From connecting to a bound resource; slower ones are disconnected."""
    connections: Annotated[int, Field(ge=1)] = 50_000
    """Client connections in total. The operating system's limit of open files applies as well."""
    connections_per_address: Annotated[int, Field(ge=1)] = 100
    """Client connections from one IPv4 address or one IPv6 /64 network."""
    logins_at_once: Annotated[int, Field(ge=1)] = 2_000
    """Clients that may wait for what is looked up or checked for them, at the most. Above it, and while those who have
    just connected wait for two seconds, connections are not accepted but left with the system, as many as `backlog`
    in the endpoint says (`tcp:5222:backlog=1000`; 50 unless given)."""
    resources_per_account: Annotated[int, Field(ge=1)] = 20
    """Sessions that one account may have at a time."""
    octets_per_second: Annotated[int, Field(ge=1_000)] = 131_072
    """What one connection may send on average; a faster one is read more slowly."""
    octets_burst: Annotated[int, Field(ge=10_000)] = 1_048_576
    """Octets one connection may send at once before `octets_per_second` holds."""
    stanzas_per_second: Annotated[float, Field(gt=0)] = 100.0
    """What all sessions of an account may send on average; a faster one is read more slowly."""
    stanzas_burst: Annotated[int, Field(ge=10)] = 2_000
    """Stanzas an account may send at once before `stanzas_per_second` holds."""
    output_queue_octets: Annotated[int, Field(ge=65_536)] = 4_194_304
    """What may wait for a client that reads slowly; above it, the client is disconnected."""
    input_queue_stanzas: Annotated[int, Field(ge=1)] = 64
    """Stanzas of one session that may wait for a handler; above it, nothing more is read from it."""
    idle_ping_seconds: Annotated[float, Field(gt=0)] = 300.0
    """A client that was silent for so long is pinged (XEP-0199)."""
    idle_timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    """A client that has not answered that ping for so long is disconnected."""
    failed_logins_per_address: Annotated[int, Field(ge=1)] = 50
    """Failed logins from one address (IPv6: one /64) within the window before it has to wait."""
    failed_logins_per_account: Annotated[int, Field(ge=1)] = 10
    """Failed logins to one account within the window before it has to wait, except where it last logged in from."""
    failed_login_window_seconds: Annotated[float, Field(gt=0)] = 600.0
    """How long a failed login is remembered."""
    failed_login_delay_seconds: Annotated[float, Field(ge=0)] = 1.0
    """Pause before a failed login is answered."""
    exempt_networks: Annotated[tuple[str, ...], Field(strict=False)] = LOOPBACK
    """Networks (as `192.0.2.0/24`) that limits on connections, failed logins per address, octets and stanzas per
    second do not apply to. Loopback is where local tools and reverse proxies connect from."""


class StreamManagement(Section):
    """Acknowledgements and sessions that survive lost connections, and the server itself (XEP-0198)."""

    hibernation_seconds: Annotated[float, Field(ge=0)] = 3_600.0
    """How long a session whose connection is lost waits to be resumed; it goes on to be available meanwhile, and
    takes messages. 0: sessions can't be resumed."""
    location: Annotated[str, Field(examples=["xmpp1.example.org:5222"])] = ""
    """Where clients should connect to resume a session, as `HOST:PORT`. Empty: where they find the server anyway."""
    queue_stanzas: Annotated[int, Field(ge=10)] = 10_000
    """Stanzas that may wait for one client to acknowledge them. Above it the session ends: messages go to other
    devices of the account, or wait for the next one."""
    queue_octets: Annotated[int, Field(ge=65_536)] = 8_388_608
    """The same in octets."""
    total_octets: Annotated[int, Field(ge=65_536)] = 1_073_741_824
    """Octets that may wait for all clients together. Above it, sessions that wait to be resumed end, those for which
    most waits first."""
    request_after_stanzas: Annotated[int, Field(ge=1)] = 10
    """A client is asked to acknowledge when it was sent so many stanzas, or after a second."""
    acknowledge_within_seconds: Annotated[float, Field(gt=0)] = 60.0
    """A client that doesn't answer in time has lost its connection; the session waits to be resumed."""
    answer_within_seconds: Annotated[float, Field(gt=0)] = 5.0
    """A client that asks for an acknowledgement is answered when what it has sent is on disk, but no later than
    this: then with what is on disk so far."""
    journal_octets: Annotated[int, Field(ge=65_536)] = 16_777_216
    """Length of the session journal in the database above which it is shortened. A longer one takes longer to read
    when the server starts, a shorter one is shortened more often."""


class Accounts(Section):
    """How users log in and bind resources."""

    mechanisms: Annotated[tuple[Mechanism, ...], Field(strict=False, min_length=1)] = MECHANISMS
    """SASL mechanisms on offer, best first. PLAIN is never offered without TLS (but see `plain_without_tls`);
    `ANONYMOUS` (XEP-0175) lets anybody in."""
    hash_iterations: Annotated[int, Field(ge=4_096, le=10_000_000)] = 10_000
    """Rounds of PBKDF2 for SCRAM keys that are made from now on (XEP-0438)."""
    resource_conflict: Literal["replace", "refuse", "rename"] = "replace"
    """What happens when a resource that is in use is bound again (RFC 6120 section 7.7.2.2): the older session
    ends, the new one is refused, or the new one gets another name."""


class Host(Section):
    """A domain whose accounts live on this server: `[hosts."example.org"]`. Further tables under it, such as
    `[hosts."example.org".offline]`, hold the options of the plugin of that name."""

    admins: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Addresses (`user@domain`) that may use the administrative commands of this host."""
    plugins: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Changes to the default plugins: `"greet"` adds one, `"-offline"` takes one away, `"-*"` takes all defaults
    away. Empty: the defaults."""
    certificate: Annotated[Path | None, Field(strict=False, examples=["/etc/xmppd/example.org.crt"])] = None
    """PEM file, certificate first, then intermediates. Relative to the folder of this file."""
    key: Annotated[Path | None, Field(strict=False, examples=["/etc/xmppd/example.org.key"])] = None
    """PEM file of the private key; not needed when `certificate` holds it too."""
    mechanisms: Annotated[tuple[Mechanism, ...] | None, Field(strict=False, examples=[["ANONYMOUS"]])] = None
    """SASL mechanisms of this host, instead of those under `[accounts]`."""
    federate: bool = True
    """Do the users of this host talk with users of other servers?"""
    http_url: Annotated[
        str, Field(pattern=r"^(https?://[^/?#@\s]+(/[^?#\s]*[^/?#\s])?)?$", examples=["https://chat.example.org"])
    ] = ""
    """Where clients reach the HTTP of this host: the address of the reverse proxy, if there is one, without a slash at
    the end. Empty: the domain itself and the first port of `https` under `[listen]`."""
    plugin_options: dict[str, dict[str, Any]] = Field(default_factory=dict, exclude=True)
    """The tables of plugins, by name, as they are written."""


class Settings(Section):
    """Everything in a settings file, with paths made absolute by :mod:`xmppd.core.settings_file`."""

    server: Server = Server()
    listen: Listen = Listen(
        c2s=("tcp:5222",), c2s_tls=("tcp:5223",), s2s=("tcp:5269",), http=("tcp:5280:interface=127.0.0.1",),
        https=("tcp:5281",),
    )  # fmt: skip
    http: Http = Http()
    bosh: Bosh = Bosh()
    database: Database = Database()
    tls: Tls = Tls()
    legacy_tls: LegacyTls = LegacyTls()
    limits: Limits = Limits()
    s2s: S2s = S2s()
    stream_management: StreamManagement = StreamManagement()
    accounts: Accounts = Accounts()
    hosts: dict[str, Host] = Field(default_factory=dict)
    """Domains served, in the order of the file; the first is the one when a client names none."""
    components: dict[str, Component] = Field(default_factory=dict)
    uplinks: dict[str, Uplink] = Field(default_factory=dict)

    def mechanisms(self, host: str) -> tuple[str, ...]:
        """Return the SASL mechanisms that `host`, a served domain, may offer, best first."""
        return self.hosts[host].mechanisms or self.accounts.mechanisms


_FIXED = {
    "server": ("data_dir", "admin_socket", "plugin_paths", "log_format"),
    "listen": tuple(Listen.model_fields),
    "database": tuple(Database.model_fields),
}


def is_fixed(path: Sequence[str]) -> bool:
    """Is the option at that path, as ``("listen", "c2s")``, one that only counts when the server is started?"""
    return len(path) > 1 and path[1] in _FIXED.get(path[0], ())


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """Name the changed settings that a reload can't apply, as ``[listen] c2s``."""
    return [
        f"[{section}] {key}"
        for section, keys in _FIXED.items()
        for key in keys
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    ]
