"""Start and stop a real server process for the tests with real clients.

Two servers fit behind the same few methods: `Xmppd` (a `twistd -n xmppd` process of this checkout) and
`Prosody`. The same scenarios on a server that is not ours show that a scenario asks for XMPP and not for
our habits: `XMPPD_INTEROP_SERVER=prosody tests/interop/run`.
"""

from __future__ import annotations

import datetime
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DOMAIN = "example.test"
PROJECT = Path(__file__).resolve().parents[2]
# What the scripts twistd and xmppctl do, with this interpreter and whether or not they are installed.
TWISTD = (sys.executable, "-c", "from twisted.scripts.twistd import run; run()")
XMPPCTL = (sys.executable, "-c", "from xmppd.app.cli import main; main()")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses, below those the kernel gives to clients."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def write_certificate(folder: Path, domain: str) -> None:
    """Write a self-signed ECDSA certificate for `domain` and names below it to server.crt and its key to server.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain), x509.DNSName(f"*.{domain}")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "server.key").chmod(0o600)


class Server:
    """A server process with its data in a temporary folder.

    `c2s_port` speaks STARTTLS, `tls_port` direct TLS and `https_port` HTTPS, all on `address`; `certificate` is
    what a client must trust. `extra` is added to the configuration, in the server's own language.
    """

    name = ""
    address = "127.0.0.1"

    def __init__(self, extra: str = "", plain_without_tls: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"interop-{self.name}-"))
        self.certificate = self.folder / "server.crt"
        self.log = self.folder / "server.log"
        self.c2s_port, self.tls_port, self.https_port = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        write_certificate(self.folder, DOMAIN)
        self.configure(extra, plain_without_tls)

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        """Write the configuration."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        raise NotImplementedError

    def add_user(self, name: str, password: str) -> None:
        """Make the account `name`@DOMAIN with the operator's own tool."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return the environment of the server and its tools."""
        return dict(os.environ)

    def start(self, seconds: float = 30) -> None:
        """Start the process and wait until both ports answer; RuntimeError with the log if they don't."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
            )
        end = time.monotonic() + seconds
        for port in (self.c2s_port, self.tls_port):
            while not self._answers(port):
                if self.process.poll() is not None or time.monotonic() > end:
                    self.kill()
                    raise RuntimeError(f"{self.name} did not start:\n{self.tail()}")
                time.sleep(0.05)

    def _answers(self, port: int) -> bool:
        try:
            socket.create_connection((self.address, port), 1).close()
        except OSError:
            return False
        return True

    def stop(self, seconds: float = 30) -> int:
        """Send SIGTERM and return the exit status; RuntimeError if it does not end in time."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not end on SIGTERM:\n{self.tail()}") from None

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def remove(self) -> None:
        """End the process if it still runs and delete its folder, unless XMPPD_INTEROP_KEEP is set."""
        self.kill()
        if "XMPPD_INTEROP_KEEP" in os.environ:
            print(f"kept {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def tail(self, lines: int = 60) -> str:
        """Return the end of the log."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def tool(self, *command: str, given: str = "") -> str:
        """Run one of the server's own tools and return what it printed; RuntimeError if it failed."""
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment(),
            timeout=60,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def resident_kib(self) -> int:
        """Return the resident memory of the process, in KiB."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii", "replace")
        return int(status.split("VmRSS:")[1].split()[0])

    def open_files(self) -> int:
        """Return how many file descriptors the process has open."""
        assert self.process is not None
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Xmppd(Server):
    """This checkout, started by twistd."""

    name = "xmppd"
    of_host = ""  # further settings of the host

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.config = self.folder / "xmppd.toml"
        self.config.write_text(
            f"""\
[server]
data_dir = "{self.folder}/data"
plain_without_tls = {str(plain_without_tls).lower()}

[listen]
c2s = ["tcp:{self.c2s_port}:interface=127.0.0.1"]
c2s_tls = ["tcp:{self.tls_port}:interface=127.0.0.1"]
https = ["tcp:{self.https_port}:interface=127.0.0.1"]

[hosts."{DOMAIN}"]
certificate = "{self.certificate}"
key = "{self.folder}/server.key"
{self.of_host}

[hosts."{DOMAIN}".register]
registration = true
accounts_per_address = 100
attempts_per_address = 100
{extra}
"""
        )

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
        return dict(os.environ, PYTHONPATH=path)

    def command(self) -> list[str]:
        return [*TWISTD, "-n", "--pidfile=", "xmppd", "-c", str(self.config)]

    def add_user(self, name: str, password: str) -> None:
        self.xmppctl("user", "add", f"{name}@{DOMAIN}", "--password", password)

    def xmppctl(self, *arguments: str) -> str:
        """Run xmppctl with this server's configuration and return what it printed."""
        return self.tool(*XMPPCTL, "-c", str(self.config), *arguments)


class Prosody(Server):
    """Prosody, as Debian packages it."""

    name = "prosody"
    modules: tuple[str, ...] = (
        "blocklist",
        "disco",
        "lastactivity",
        "offline",
        "pep",
        "ping",
        "private",
        "register_ibr",
        "roster",
        "saslauth",
        "time",
        "tls",
        "uptime",
        "user_account_management",
        "vcard_legacy",
        "vcard4",
        "version",
    )

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.config = self.folder / "prosody.cfg.lua"
        modules = ", ".join(f'"{module}"' for module in self.modules)
        self.config.write_text(
            f"""\
run_as_root = true
daemonize = false
data_path = "{self.folder}/data"
pidfile = "{self.folder}/prosody.pid"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.c2s_port} }}
c2s_direct_tls_ports = {{ {self.tls_port} }}
s2s_ports = {{ }}
http_ports = {{ }}
https_ports = {{ {self.https_port} }}
https_interfaces = {{ "127.0.0.1" }}
https_ssl = {{ certificate = "{self.certificate}", key = "{self.folder}/server.key" }}
http_default_host = "{DOMAIN}"
cross_domain_bosh = true
cross_domain_websocket = true
modules_enabled = {{ {modules} }}
modules_disabled = {{ "s2s" }}
allow_registration = true
allow_unencrypted_plain_auth = {str(plain_without_tls).lower()}
c2s_require_encryption = {str(not plain_without_tls).lower()}
authentication = "internal_hashed"
password_hash = "SHA-256"
log = {{ info = "*console" }}
ssl = {{ certificate = "{self.certificate}", key = "{self.folder}/server.key" }}
VirtualHost "{DOMAIN}"
{extra}
"""
        )
        (self.folder / "data").mkdir(exist_ok=True)

    def command(self) -> list[str]:
        return ["prosody", "-F", "--config", str(self.config)]

    def add_user(self, name: str, password: str) -> None:
        self.tool("prosodyctl", "--config", str(self.config), "register", name, DOMAIN, password)


class WebProsody(Prosody):
    """With WebSocket and BOSH."""

    modules = (*Prosody.modules, "bosh", "carbons", "smacks", "websocket")


def chosen() -> type[Server]:
    """Return the class named by XMPPD_INTEROP_SERVER (xmppd by default)."""
    return {"xmppd": Xmppd, "prosody": Prosody}[os.environ.get("XMPPD_INTEROP_SERVER", "xmppd")]
