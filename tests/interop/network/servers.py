"""The servers of the stage: ours, Prosody and ejabberd, each with several domains on an address of its own.

Accounts are made in-band (XEP-0077), which all three are set up to allow.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.interop import server
from tests.interop.network.stage import COMPONENT_PORT, DNS_PORT, S2S_PORT, S2S_TLS_PORT, Domain, Stage

# Where Debian has ejabberd's Erlang libraries, and a C library's view of addresses that a process can choose.
ERLANG_LIBRARIES = next((path.parents[2] for path in Path("/usr/lib").glob("*/ejabberd-*/ebin/ejabberd.app")), None)
NSS_WRAPPER = next(Path("/usr/lib").glob("*/libnss_wrapper.so"), None)


class Site(server.Server):
    """A server of the stage. `extra` is added to its configuration, in its own language.

    `components` are domains of components with their secrets.
    """

    def __init__(
        self, stage: Stage, domains: Sequence[Domain], extra: str = "", components: Mapping[str, str] | None = None
    ) -> None:
        self.stage = stage
        self.domains = tuple(domains)
        self.components = dict(components or {})
        self.address = stage.address()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=stage.folder))
        self.certificate = stage.authority.certificate
        self.log = self.folder / "server.log"
        self.c2s_port, self.tls_port = 5222, 5223
        self.process: subprocess.Popen[bytes] | None = None
        self.configure(extra, False)
        for domain in self.domains:
            stage.publish(domain.name, self.address, tls_port=S2S_TLS_PORT if self.direct_tls else None)

    direct_tls = False  # whether to publish _xmpps-server as well

    @classmethod
    def missing(cls) -> str:
        """Return why this server can't run here, or an empty text."""
        return ""

    def cut(self) -> None:
        """End the process as a power cut would, and what it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own: see start()
            self.process.wait()

    def kill(self) -> None:
        self.cut()

    def logged(self, text: str) -> bool:
        """Say whether the log has this text."""
        return text in self.log.read_text("utf-8", "replace")


class Xmppd(Site, server.Xmppd):
    """This checkout. `extra` may begin with more keys of `[s2s]`."""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.config = self.folder / "xmppd.toml"
        hosts = "".join(
            f"""
[hosts."{domain.name}"]
certificate = "{domain.credentials.certificate}"
key = "{domain.credentials.key}"

[hosts."{domain.name}".register]
registration = true
accounts_per_address = 1000
attempts_per_address = 1000
"""
            for domain in self.domains
        )
        components = "".join(
            f'[components."{name}"]\nsecret = "{secret}"\n' for name, secret in self.components.items()
        )
        self.config.write_text(
            f"""\
[server]
data_dir = "{self.folder}/data"

[listen]
c2s = ["tcp:{self.c2s_port}:interface={self.address}"]
c2s_tls = ["tcp:{self.tls_port}:interface={self.address}"]
s2s = ["tcp:{S2S_PORT}:interface={self.address}"]
s2s_tls = ["tcp:{S2S_TLS_PORT}:interface={self.address}"]
component = ["tcp:{COMPONENT_PORT}:interface={self.address}"]

[s2s]
nameservers = ["{self.stage.nameserver}:{DNS_PORT}"]
ca = "{self.stage.authority.certificate}"
{extra}
{components}
{hosts}
"""
        )


class Prosody(Site, server.Prosody):
    """Prosody 0.12, which asks the name server through libunbound."""

    certificates_only = False
    modules: tuple[str, ...] = (*server.Prosody.modules, "carbons", "dialback", "s2s", "s2s_auth_certs", "smacks")

    @classmethod
    def missing(cls) -> str:
        if shutil.which("prosody") is None:
            return "Prosody is not installed"
        if not list(Path("/usr/lib").glob("*/lua/5.*/lunbound.so")):
            return "lua-unbound is not installed, so Prosody can't be told a name server"
        return ""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.config = self.folder / "prosody.cfg.lua"
        modules = ", ".join(f'"{module}"' for module in self.modules)
        hosts = "".join(self._host(domain) for domain in self.domains)
        components = "".join(self._component(name, secret) for name, secret in self.components.items())
        self.config.write_text(
            f"""\
run_as_root = true
daemonize = false
data_path = "{self.folder}/data"
pidfile = "{self.folder}/prosody.pid"
interfaces = {{ "{self.address}" }}
c2s_ports = {{ {self.c2s_port} }}
c2s_direct_tls_ports = {{ {self.tls_port} }}
s2s_ports = {{ {S2S_PORT} }}
s2s_direct_tls_ports = {{ {S2S_TLS_PORT} }}
component_ports = {{ {COMPONENT_PORT} }}
component_interfaces = {{ "{self.address}" }}
http_ports = {{ }}
https_ports = {{ }}
unbound = {{
    resolvconf = false;
    forward = {{ "{self.stage.nameserver}@{DNS_PORT}" }};
    options = {{ ["do-not-query-localhost:"] = "no"; ["cache-max-ttl:"] = "1"; ["cache-max-negative-ttl:"] = "1" }};
}}
modules_enabled = {{ {modules} }}
allow_registration = true
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = {str(self.certificates_only).lower()}
authentication = "internal_plain"
certificates = "{self.stage.authority.folder}"
log = {{ debug = "*console" }}
ssl = {{ cafile = "{self.stage.authority.certificate}" }}
{hosts}
{components}
{extra}
"""
        )
        (self.folder / "data").mkdir(exist_ok=True)

    def _component(self, name: str, secret: str) -> str:
        return f'Component "{name}"\n    component_secret = "{secret}"\n'

    def _host(self, domain: Domain) -> str:
        ssl = f"""\
    ssl = {{
        certificate = "{domain.credentials.certificate}"; key = "{domain.credentials.key}";
        cafile = "{self.stage.authority.certificate}";
    }}
"""
        return f"""
VirtualHost "{domain.name}"
{ssl}    modules_enabled = {{ {'"s2s_bidi"' if domain.bidi else ""} }}
Component "{domain.rooms}" "muc"
{ssl}    muc_room_locking = false
"""

    def add_user(self, name: str, password: str) -> None:
        raise NotImplementedError


#: What settings of ejabberd have in common.
_EJABBERD = """\
auth_method: internal
auth_password_format: plain
registration_timeout: infinity
s2s_use_starttls: required
outgoing_s2s_families: [ipv4]
s2s_max_retry_delay: 1
acl:
  local:
    user_regexp: ""
access_rules:
  local:
    allow: local
shaper_rules:
  max_user_offline_messages: 100
modules:
  mod_blocking: {}
  mod_carboncopy: {}
  mod_disco: {}
  mod_last: {}
  mod_muc:
    host: "conference.@HOST@"
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_register:
    ip_access: all
  mod_roster:
    versioning: true
  mod_s2s_dialback: {}
  mod_stream_mgmt: {}
  mod_vcard: {}
  mod_version: {}
"""


class Ejabberd(Site):
    """ejabberd 23, without a node name: it needs no epmd and starts none.

    It asks for SRV with Erlang's own resolver, and for addresses with that of the C library.
    """

    name = "ejabberd"

    @classmethod
    def missing(cls) -> str:
        if ERLANG_LIBRARIES is None:
            return "ejabberd is not installed"
        return "" if NSS_WRAPPER is not None else "libnss-wrapper is not installed, so ejabberd can't be told addresses"

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        hosts = "".join(f'  - "{domain.name}"\n' for domain in self.domains)
        certificates = "".join(f'  - "{domain.credentials.both}"\n' for domain in self.domains)
        ip = f'    ip: "{self.address}"\n'
        (self.folder / "inetrc").write_text(
            '{resolv_conf, ""}.\n{hosts_file, ""}.\n'  # it would read those of the machine, and prefer them
            f"{{nameserver, {{{self.stage.nameserver.replace('.', ',')}}}, {DNS_PORT}}}.\n"
            "{lookup, [dns]}.\n{cache_size, 0}.\n{timeout, 2000}.\n{retry, 1}.\n"
        )
        (self.folder / "ejabberd.yml").write_text(
            f"""\
loglevel: debug
hosts:
{hosts}certfiles:
{certificates}ca_file: "{self.stage.authority.certificate}"
listen:
  - port: {self.c2s_port}
{ip}    module: ejabberd_c2s
    starttls_required: true
  - port: {self.tls_port}
{ip}    module: ejabberd_c2s
    tls: true
  - port: {S2S_PORT}
{ip}    module: ejabberd_s2s_in
  - port: {S2S_TLS_PORT}
{ip}    module: ejabberd_s2s_in
    tls: true
outgoing_s2s_ipv4_address: "{self.address}"
{_EJABBERD}{extra}
"""
        )

    def environment(self) -> dict[str, str]:
        return dict(
            os.environ,
            ERL_LIBS=str(ERLANG_LIBRARIES),
            LD_PRELOAD=str(NSS_WRAPPER),
            NSS_WRAPPER_HOSTS=str(self.stage.hosts),
            ERL_INETRC=str(self.folder / "inetrc"),
            ERL_CRASH_DUMP_BYTES="0",
            HOME=str(self.folder),
            EJABBERD_CONFIG_PATH=str(self.folder / "ejabberd.yml"),
            EJABBERD_LOG_PATH=str(self.folder / "ejabberd.log"),
            EJABBERD_PID_PATH=str(self.folder / "ejabberd.pid"),
        )

    def command(self) -> list[str]:
        data = f'"{self.folder}/data"'
        return ["erl", "-noinput", "+K", "true", "+sbwt", "none", "-mnesia", "dir", data, "-s", "ejabberd"]
