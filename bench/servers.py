"""The servers to measure, each in a temporary folder on a free port of loopback, with users u0, u1, ...

What the configurations share: passwords stored hashed, no limits on rates, stream management on offer, PLAIN
allowed without TLS, an ECDSA P-256 certificate. Archives are off but for the modes that want them; then everybody's
messages are archived, in each server's default storage.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from bench.client import PASSWORD, register
from tests.interop.server import PROJECT, TWISTD, XMPPCTL, free_port, write_certificate

CPUS = sorted(os.sched_getaffinity(0))


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Measured:
    """A server that is prepared once, and started on a fresh copy of the prepared data for every measurement."""

    name = ""

    def __init__(self, users: int) -> None:
        self.users = users
        self.folder = Path(tempfile.mkdtemp(prefix=f"bench-{self.name}-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.run = self.folder / "run"
        self.run.mkdir()
        write_certificate(self.folder, "localhost")
        (self.folder / "server.pem").write_text(
            (self.folder / "server.key").read_text() + (self.folder / "server.crt").read_text()
        )
        self.configure(archive=False)
        self.prepare()
        shutil.copytree(self.run, self.folder / "prepared")

    @classmethod
    def installed(cls) -> bool:
        """Say whether this machine has the server."""
        raise NotImplementedError

    def configure(self, archive: bool) -> None:
        """Write the configuration in `run`."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make the accounts in `run`, which is configured."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return the server's environment."""
        return dict(os.environ)

    @property
    def pid(self) -> int:
        """The process started last."""
        assert self.process is not None
        return self.process.pid

    def fresh(self, archive: bool) -> None:
        """Start on a fresh copy of the prepared data, with the archive on or off."""
        shutil.rmtree(self.run)
        shutil.copytree(self.folder / "prepared", self.run)
        self.configure(archive)
        self.start()

    def start(self) -> None:
        """Start, on the first CPU when there is another for the load; RuntimeError with the log if it fails."""
        log = self.folder / "log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.run,
                env=self.environment(),
                start_new_session=True,
                preexec_fn=self._pin,
            )
        for _ in range(300):
            if _answers(self.port):
                time.sleep(0.5)
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"{self.name} did not start:\n{log.read_text('utf-8', 'replace')[-3000:]}")

    @staticmethod
    def _pin() -> None:
        if len(CPUS) > 1:
            os.sched_setaffinity(0, {CPUS[0]})

    def stop(self) -> None:
        """End the process."""
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Xmppd(Measured):
    """This checkout, as its defaults are but for the archive."""

    name = "xmppd"

    @classmethod
    def installed(cls) -> bool:
        return True

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
        return dict(os.environ, PYTHONPATH=path)

    def configure(self, archive: bool) -> None:
        plugins = [] if archive else ["-archive"]
        (self.run / "xmppd.toml").write_text(
            f"""\
[server]
data_dir = "{self.run}/data"
log_level = "warn"
plain_without_tls = true

[listen]
c2s = ["tcp:{self.port}:interface=127.0.0.1:backlog=1024"]

[hosts.localhost]
certificate = "{self.folder}/server.crt"
key = "{self.folder}/server.key"
plugins = {json.dumps(plugins)}
"""
        )

    def prepare(self) -> None:
        users = self.run / "users.csv"
        users.write_text("".join(f"u{number}@localhost,{PASSWORD}\n" for number in range(self.users)))
        subprocess.run(
            [*XMPPCTL, "-c", str(self.run / "xmppd.toml"), "user", "import", str(users)],
            check=True,
            env=self.environment(),
            cwd=self.run,
            stdout=subprocess.DEVNULL,
        )

    def command(self) -> list[str]:
        return [*TWISTD, "-n", "--pidfile=", "xmppd", "-c", str(self.run / "xmppd.toml")]


class Prosody(Measured):
    """Prosody with what an operator after speed would set."""

    name = "prosody"
    modules = (
        "roster saslauth tls disco ping private blocklist carbons pep smacks vcard4 vcard_legacy version time uptime"
    )

    @classmethod
    def installed(cls) -> bool:
        return shutil.which("prosody") is not None

    def configure(self, archive: bool) -> None:
        modules = ", ".join(f'"{module}"' for module in [*self.modules.split(), *["mam"] * archive])
        (self.run / "prosody.cfg.lua").write_text(
            f"""\
run_as_root = true
daemonize = false
data_path = "{self.run}/data"
pidfile = "{self.run}/prosody.pid"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.port} }}
modules_enabled = {{ {modules} }}
modules_disabled = {{ "s2s", "offline" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
storage_archive_item_limit = 10000000
gc = {{ mode = "generational" }}
network_settings = {{ tcp_backlog = 4096, opportunistic_writes = true, nagle = false, read_size = 65536 }}
log = {{ warn = "*console" }}
ssl = {{ certificate = "{self.folder}/server.crt", key = "{self.folder}/server.key" }}
VirtualHost "localhost"
"""
        )

    def prepare(self) -> None:
        accounts = self.run / "data" / "localhost" / "accounts"
        accounts.mkdir(parents=True)
        salt, rounds = b"a salt for all", 10000
        salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt, rounds)
        stored = hashlib.sha1(hmac.digest(salted, b"Client Key", "sha1")).hexdigest()
        key = hmac.digest(salted, b"Server Key", "sha1").hex()
        entry = (
            f'return {{ ["stored_key"] = "{stored}"; ["server_key"] = "{key}"; '
            f'["salt"] = "{salt.decode()}"; ["iteration_count"] = {rounds}; }};\n'
        )
        for number in range(self.users):
            (accounts / f"u{number}.dat").write_text(entry)

    def command(self) -> list[str]:
        return ["prosody", "-F", "--config", str(self.run / "prosody.cfg.lua")]


class Ejabberd(Measured):
    """ejabberd on one scheduler."""

    name = "ejabberd"
    modules = (
        "adhoc blocking caps carboncopy client_state disco last offline ping privacy private pubsub register "
        "roster stream_mgmt vcard version"
    )

    @classmethod
    def installed(cls) -> bool:
        return shutil.which("ejabberdctl") is not None and shutil.which("erl") is not None

    def configure(self, archive: bool) -> None:
        options = {
            "mam": "{default: always, assume_mam_usage: true}",
            "register": "{ip_access: all}",
            "pubsub": "{plugins: [flat, pep]}",
            "roster": "{versioning: true}",
        }
        names = [*self.modules.split(), *["mam"] * archive]
        modules = "\n".join(f"  mod_{module}: {options.get(module, '{}')}" for module in names)
        (self.run / "ejabberd.yml").write_text(
            f"""\
loglevel: warning
hosts: [localhost]
certfiles: ["{self.folder}/server.pem"]
listen:
  - port: {self.port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    backlog: 4096
    max_stanza_size: 262144
    starttls: true
auth_method: internal
auth_password_format: scram
cache_size: 100000
registration_timeout: infinity
s2s_access: none
modules:
{modules}
"""
        )

    def prepare(self) -> None:
        self.start()
        try:
            asyncio.run(register(self.port, self.users))
        finally:
            self.stop()

    def environment(self) -> dict[str, str]:
        files = subprocess.run(["dpkg", "-L", "ejabberd"], capture_output=True, text=True).stdout.splitlines()
        application = next(file for file in files if file.endswith("/ejabberd.app"))
        return dict(
            os.environ,
            HOME=str(self.run),
            ERL_LIBS=str(Path(application).parents[2]),
            EJABBERD_CONFIG_PATH=str(self.run / "ejabberd.yml"),
            EJABBERD_LOG_PATH=str(self.run / "ejabberd.log"),
            ERL_CRASH_DUMP_BYTES="0",
            ERL_MAX_PORTS="65536",
        )

    def command(self) -> list[str]:
        mnesia = ["-mnesia", "dir", f'"{self.run}/mnesia"']
        return ["erl", "-noinput", "+K", "true", "+P", "250000", "+S", "1:1", *mnesia, "-s", "ejabberd"]


SERVERS: dict[str, type[Measured]] = {kind.name: kind for kind in (Xmppd, Prosody, Ejabberd)}
