"""The servers to be broken, each as its operator would set it up for reliability: stream management, archive, carbons.

What they share: passwords stored hashed, PLAIN without TLS (this is loopback), no limits on rates, resumption for an
hour, queues that hold all a round can send, the archive on for everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.storage import Disk, block
from tests.faults.stream import TcpStream
from tests.interop import server as interop
from tests.interop.postgres import Cluster
from tests.interop.server import DOMAIN, Server, free_port

PASSWORD = "wherefore"
HOUR = 3600
QUEUE = 20_000
#: Seconds after which a client of BOSH is taken for lost.
INACTIVITY = 8


class Victim:
    """What the harness adds to a server process: faults, and data on a small disk.

    :param disk: put the data on a disk of its own that can be full.
    :param hibernation: how many seconds a session waits to be resumed.
    :param settings: further ones, in the server's own language.
    :param disk_mebibytes: the size of that disk.
    :param database: one of `databases`; "own" is the storage the server brings along.
    """

    #: A Server besides; these are its.
    folder: Path
    process: subprocess.Popen[bytes] | None
    databases: tuple[str, ...] = ("sqlite",)
    #: Is it run with rooms? Can clients come over WebSocket and BOSH?
    rooms = web = False
    http_port = 0

    def __init__(
        self,
        disk: bool = False,
        database: str = "sqlite",
        hibernation: int = HOUR,
        settings: str = "",
        disk_mebibytes: int = 96,
    ) -> None:
        self.hibernation = hibernation
        self._disk_mebibytes = disk_mebibytes
        self.with_disk = disk
        self.database = database
        self.disk: Disk | None = None
        self.cluster: Cluster | None = None
        if database == "postgres":
            self.cluster = Cluster()
            self.cluster.start()
        super().__init__(extra=settings, plain_without_tls=True)  # type: ignore[call-arg]

    @classmethod
    def installed(cls) -> bool:
        """Say whether this machine has the server."""
        raise NotImplementedError

    def add_users(self, names: list[str]) -> None:
        """Make the accounts, with PASSWORD; the server does not run."""
        raise NotImplementedError

    def prepare_data(self) -> Path:
        """Return the folder for the data, on a disk of its own if so wanted."""
        data = self.folder / "data"
        if self.with_disk:
            self.disk = Disk(data, self._disk_mebibytes)
        else:
            data.mkdir(exist_ok=True)
        return data

    def pause(self) -> None:
        """Stop the process where it stands."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def blocked(self) -> Iterator[None]:
        """Nothing can be written to the database meanwhile, for all that is known how to hinder."""
        with block(self.folder / "data", self.cluster):
            yield

    def clean(self) -> None:
        """End what runs and delete everything."""
        process = self.process
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        if self.disk is not None:
            self.disk.remove()
        if self.cluster is not None:
            self.cluster.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


class Xmppd(Victim, interop.Xmppd):
    """This checkout."""

    databases = ("sqlite", "postgres")
    rooms = web = True

    @classmethod
    def installed(cls) -> bool:
        return True

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        database = f'\n[database]\nurl = "{self.cluster.url}"\n' if self.cluster else ""
        # Loopback is exempt from the limits on rates.
        limits = f'[hosts."{DOMAIN}".offline]\nmax_messages = 1000000\nmax_octets = 1000000000\n'
        limits += f'[hosts."{DOMAIN}".muc]\npresence_per_minute = 10000\njoins_per_minute = 10000\n'
        sessions = f"[stream_management]\nhibernation_seconds = {self.hibernation}.0\n"
        # Clients that are gone without a word are taken for lost soon enough for a round to see it.
        web = f"[bosh]\ninactivity_seconds = {INACTIVITY}\n"
        super().configure(limits + sessions + web + extra + database, plain_without_tls)
        self.http_port = free_port()
        listen = f'[listen]\nhttp = ["tcp:{self.http_port}:interface=127.0.0.1"]'
        self.config.write_text(self.config.read_text().replace("[listen]", listen, 1))
        self.prepare_data()

    def add_users(self, names: list[str]) -> None:
        users = self.folder / "users.csv"
        users.write_text("".join(f"{name}@{DOMAIN} {PASSWORD}\n" for name in names))
        self.xmppctl("user", "import", str(users))


class Prosody(Victim, interop.Prosody):
    """Prosody, as Debian packages it; SQLite needs lua-dbi-sqlite3."""

    databases = ("sqlite", "own")
    more = ("smacks", "carbons", "mam")

    @classmethod
    def installed(cls) -> bool:
        return shutil.which("prosody") is not None

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        reliable = (
            f"smacks_hibernation_time = {self.hibernation}\nsmacks_max_queue_size = {QUEUE}\n"
            "default_archive_policy = true\nmax_archive_query_results = 250\nstorage_archive_item_limit = 1000000\n"
        )
        data = self.prepare_data()
        super().configure(extra, plain_without_tls)
        if self.database == "sqlite":
            reliable += f'storage = "sql"\nsql = {{ driver = "SQLite3", database = "{data}/prosody.sqlite" }}\n'
        text = self.config.read_text()
        more = "".join(f', "{module}"' for module in self.more)
        text = text.replace(" }\nmodules_disabled", f"{more} }}\nmodules_disabled")
        self.config.write_text(text.replace("VirtualHost", f"{reliable}VirtualHost", 1))

    def add_users(self, names: list[str]) -> None:
        for name in names:
            self.add_user(name, PASSWORD)


class Ejabberd(Victim, Server):
    """ejabberd, as Debian packages it; SQLite needs erlang-p1-sqlite3, its own database is Mnesia."""

    databases = ("sqlite", "own")
    name = "ejabberd"
    modules = "adhoc blocking caps disco last ping privacy private pubsub roster vcard version"

    @classmethod
    def installed(cls) -> bool:
        return shutil.which("ejabberdctl") is not None and shutil.which("erl") is not None

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.tls_port = self.c2s_port
        self.prepare_data()
        (self.folder / "server.pem").write_text(
            (self.folder / "server.key").read_text() + (self.folder / "server.crt").read_text()
        )
        if self.database == "sqlite":
            extra += f'default_db: sql\nsql_type: sqlite\nsql_database: "{self.folder}/data/ejabberd.sqlite"\n'
        options = {"pubsub": "{plugins: [flat, pep]}"}
        modules = "\n".join(f"  mod_{module}: {options.get(module, '{}')}" for module in self.modules.split())
        (self.folder / "ejabberd.yml").write_text(
            f"""\
loglevel: warning
hosts: ["{DOMAIN}"]
certfiles: ["{self.folder}/server.pem"]
listen:
  - port: {self.c2s_port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    backlog: 4096
    max_stanza_size: 262144
    starttls: true
auth_method: {"sql" if self.database == "sqlite" else "internal"}
auth_password_format: scram
registration_timeout: infinity
s2s_access: none
modules:
{modules}
  mod_carboncopy: {{}}
  mod_mam: {{default: always, request_activates_archiving: false}}
  mod_offline: {{access_max_user_messages: none, use_mam_for_storage: false}}
  mod_register: {{ip_access: all}}
  mod_stream_mgmt:
    resume_timeout: {self.hibernation}
    max_ack_queue: {QUEUE}
    resend_on_timeout: if_offline
    ack_timeout: 60
{extra}
"""
        )

    def environment(self) -> dict[str, str]:
        files = subprocess.run(["dpkg", "-L", "ejabberd"], capture_output=True, text=True).stdout.splitlines()
        application = next(file for file in files if file.endswith("/ejabberd.app"))
        return dict(
            os.environ,
            HOME=str(self.folder),
            ERL_LIBS=str(Path(application).parents[2]),
            EJABBERD_CONFIG_PATH=str(self.folder / "ejabberd.yml"),
            EJABBERD_LOG_PATH=str(self.folder / "ejabberd.log"),
            ERL_CRASH_DUMP_BYTES="0",
        )

    def command(self) -> list[str]:
        mnesia = ["-mnesia", "dir", f'"{self.folder}/data/mnesia"']
        return ["erl", "-noinput", "+K", "true", "+S", "1:1", *mnesia, "-s", "ejabberd"]

    def add_users(self, names: list[str]) -> None:
        self.start()
        try:
            asyncio.run(self._register(names))
        finally:
            self.stop()

    async def _register(self, names: list[str]) -> None:
        """In-band (XEP-0077): the operator's tool needs a node that is reached by its name."""
        stream = await TcpStream.connect(self.c2s_port, lambda _why: None)
        await stream.header()
        for name in names:
            form = f"<username>{name}</username><password>{PASSWORD}</password>"
            stream.write(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'>{form}</query></iq>")
            answer = await stream.next()
            if answer.get("type") != "result":
                raise RuntimeError(f"{name} was not registered")
        stream.drop("done")


SERVERS: dict[str, type[Xmppd] | type[Prosody] | type[Ejabberd]] = {
    kind.name: kind for kind in (Xmppd, Prosody, Ejabberd)
}
