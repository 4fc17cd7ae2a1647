"""The servers of `bench.servers` with an HTTP listener in the clear and one with TLS: WebSocket, BOSH, and files.

None of them limits how many connections come from one address, or how much one user may store.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bench.servers import Ejabberd, Measured, Prosody, Xmppd
from tests.interop.server import free_port

SERVICE = "upload.localhost"
MOST = 1_000_000_000
"""Octets of a file, and of all files of a user."""
LONGEST = 600
"""Seconds that a request may be held, at most; how long it is depends on what the client asks for."""


class Doored(Measured):
    """A server with HTTP. :ivar http: its port, :ivar https: the one with TLS."""

    websocket = "/xmpp-websocket"
    bosh = "/http-bind"

    @staticmethod
    def _pin() -> None:
        """Let nobody else who uses the machine come before it, where that can be had: latencies are measured too."""
        Measured._pin()
        with contextlib.suppress(PermissionError):
            os.nice(-10)

    def __init__(self, users: int) -> None:
        self.http = free_port()
        self.https = free_port()
        super().__init__(users)


class XmppdDoors(Doored, Xmppd):
    """Ours."""

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "xmppd.toml")
        local = "interface=127.0.0.1:backlog=1024"
        listen = f'[listen]\nhttp = ["tcp:{self.http}:{local}"]\nhttps = ["tcp:{self.https}:{local}"]\n'
        web = f"""
[http]
connections = 50000

[hosts.localhost.http_upload]
max_file = {MOST}
quota = {100 * MOST}
daily_octets = {100 * MOST}
"""
        config.write_text(config.read_text("utf-8").replace("[listen]\n", listen) + web, "utf-8")


class ProsodyDoors(Doored, Prosody):
    """Prosody's mod_websocket, mod_bosh and mod_http_file_share."""

    modules = f"{Prosody.modules} http bosh websocket"

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "prosody.cfg.lua")
        everywhere = f"""
http_ports = {{ {self.http} }}
http_interfaces = {{ "127.0.0.1" }}
https_ports = {{ {self.https} }}
https_interfaces = {{ "127.0.0.1" }}
https_ssl = {{ certificate = "{self.folder}/server.crt", key = "{self.folder}/server.key" }}
http_default_host = "localhost"
consider_bosh_secure = true
consider_websocket_secure = true
bosh_max_wait = {LONGEST}
VirtualHost "localhost"
"""
        files = f"""
Component "{SERVICE}" "http_file_share"
http_file_share_size_limit = {MOST}
http_file_share_daily_quota = {100 * MOST}
http_file_share_access = {{ "localhost" }}
"""
        text = config.read_text("utf-8").replace('VirtualHost "localhost"\n', everywhere)
        config.write_text(text + files, "utf-8")


class EjabberdDoors(Doored, Ejabberd):
    """ejabberd's ejabberd_http_ws, mod_bosh and mod_http_upload."""

    websocket = "/ws"
    bosh = "/bosh"

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "ejabberd.yml")
        listeners = "".join(
            f"""\
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_http
    backlog: 4096
    tls: {str(tls).lower()}
    request_handlers:
      /ws: ejabberd_http_ws
      /bosh: mod_bosh
      /upload: mod_http_upload
"""
            for port, tls in ((self.http, False), (self.https, True))
        )
        files = f'put_url: "http://localhost:{self.http}/upload", max_size: {MOST}, docroot: "{self.run}/files"'
        modules = f"""\
  mod_bosh: {{max_inactivity: {LONGEST} s}}
  mod_http_upload: {{host: {SERVICE}, access: all, {files}}}
"""
        text = config.read_text("utf-8").replace("auth_method:", f"{listeners}auth_method:")
        config.write_text(text + modules, "utf-8")


SERVERS: dict[str, type[Doored]] = {kind.name: kind for kind in (XmppdDoors, ProsodyDoors, EjabberdDoors)}
