"""Apps of people on Prosody, whose push service we are: mod_cloud_notify publishes to us, and we wake phones."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
import unittest
import urllib.request
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from tests.interop.network import servers
from tests.interop.network.federation import SETTINGS, StageCase, eventually
from tests.interop.network.person import Person
from tests.interop.network.stage import Domain
from tests.interop.server import PROJECT

COMMANDS = "http://jabber.org/protocol/commands"
PUSH = "urn:xmpp:push:0"
FORM = "{jabber:x:data}"
SERVICE = "push.ours.example"


class Vendors:
    """The stand-ins for vendors, as a process."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "vendors.pem"
        command = [sys.executable, "-m", "xmppd.testing.vendors", "--ca", str(self.certificate)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONPATH=str(PROJECT))
        )
        assert self.process.stdout is not None
        self.origin = self.process.stdout.readline().strip()
        self._context = ssl.create_default_context(cafile=str(self.certificate))

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ask(self, path: str = "", wanted: dict[str, Any] | None = None) -> Any:
        """Control them."""
        body = None if wanted is None else json.dumps(wanted).encode()
        request = urllib.request.Request(f"{self.origin}/control{path}", body)
        with urllib.request.urlopen(request, timeout=10, context=self._context) as answer:
            return json.load(answer)

    def pushed(self, vendor: str) -> list[dict[str, Any]]:
        """What has reached devices of a vendor."""
        found: list[dict[str, Any]] = self.ask()["pushed"][vendor]
        return found


class Xmppd(servers.Xmppd):
    """Ours, with a push service for users of theirs.example."""

    vendors: Vendors

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        super().configure(extra, plain_without_tls)
        told = self.vendors.ask()
        account, key = self.folder / "fcm.json", self.folder / "apns.p8"
        account.write_text(told["service_account"])
        key.write_text(told["apns"]["key"])
        apns = told["apns"]
        host = '[hosts."ours.example"]\n'
        self.config.write_text(
            self.config.read_text().replace(host, f'{host}plugins = ["push_service"]\n')
            + f"""
[hosts."ours.example".push_service]
open = ["theirs.example"]

[hosts."ours.example".push_service.webpush]
networks = ["127.0.0.0/8", "::1"]

[[hosts."ours.example".push_service.fcm]]
app = "org.example.chat.android"
service_account = "{account}"
url = "{self.vendors.origin}"

[[hosts."ours.example".push_service.apns]]
app = "{apns["topic"]}"
key = "{key}"
key_id = "{apns["key_id"]}"
team_id = "{apns["team_id"]}"
url = "{self.vendors.origin}"
"""
        )

    def environment(self) -> dict[str, str]:
        return super().environment() | {"SSL_CERT_FILE": str(self.vendors.certificate)}


class Prosody(servers.Prosody):
    """Theirs, which pushes."""

    modules = (*servers.Prosody.modules, "cloud_notify")


class AtProsody(StageCase):
    ours: Domain
    theirs: Domain
    here: Xmppd
    there: Prosody
    vendors: Vendors

    @classmethod
    def build(cls) -> None:
        cls.need(Xmppd, Prosody)
        if not list(Path("/usr/lib/prosody/modules").glob("mod_cloud_notify*")):
            raise unittest.SkipTest("prosody-modules is not installed, so Prosody has no mod_cloud_notify")
        cls.vendors = Xmppd.vendors = Vendors(cls.stage.folder)
        cls.addClassCleanup(cls.vendors.stop)
        cls.ours = cls.stage.domain("ours.example", dns=["ours.example", SERVICE])
        cls.theirs = cls.stage.domain("theirs.example")
        cls.here, cls.there = Xmppd(cls.stage, [cls.ours], SETTINGS), Prosody(cls.stage, [cls.theirs])
        cls.stage.publish(SERVICE, cls.here.address)
        cls.add(cls.here)
        cls.add(cls.there)

    async def command(self, person: Person, node: str, **values: str) -> dict[str, str]:
        """Have somebody execute a command of our service, as apps do; return the form that comes back."""
        command = Element(f"{{{COMMANDS}}}command", node=node, action="execute")
        form = SubElement(command, f"{FORM}x", type="submit")
        for name, value in values.items():
            SubElement(SubElement(form, f"{FORM}field", var=name.replace("_", "-")), f"{FORM}value").text = value
        answered = await person.ask(SERVICE, command, "set")
        fields = answered.xml.iter(f"{FORM}field")
        return {field.get("var"): field.findtext(f"{FORM}value") for field in fields}

    async def enable(self, person: Person, registered: dict[str, str]) -> None:
        """Have somebody tell Prosody of a registration (XEP-0357 section 5)."""
        enable = Element(f"{{{PUSH}}}enable", jid=registered["jid"], node=registered["node"])
        form = SubElement(enable, f"{FORM}x", type="submit")
        options = {"FORM_TYPE": "http://jabber.org/protocol/pubsub#publish-options", "secret": registered["secret"]}
        for name, value in options.items():
            SubElement(SubElement(form, f"{FORM}field", var=name), f"{FORM}value").text = value
        await person.ask(person.bare, enable, "set")

    async def test_each_vendor(self) -> None:
        """Juliet goes offline; a message for her wakes each of her phones, and nobody learns what it says."""
        juliet = await self.person(self.there, "juliet", self.theirs)
        tybalt = await self.person(self.there, "tybalt", self.theirs)
        key = re.sub(r"\s", "", self.here.xmppctl("push-service", "key"))
        registered = [
            await self.command(juliet, "register-push-fcm", android_id="phone", **self.vendors.ask("/fcm", {})),
            await self.command(
                juliet, "register-push-apns", device_id="i", token=self.vendors.ask("/apns", {})["token"]
            ),
            await self.command(juliet, "register-push-webpush", **self.vendors.ask("/webpush", {"key": key})),
        ]
        for one in registered:
            self.assertEqual(one["jid"], SERVICE)
            await self.enable(juliet, one)
        juliet.presence("unavailable")
        await juliet.disconnect()
        tybalt.client.send_message(mto=juliet.bare, mbody="Thou shalt not read this", mtype="chat")
        await eventually(self.all_woken, "three phones are woken")
        told = await asyncio.to_thread(self.vendors.ask)
        self.assertEqual(told["mistakes"], [])
        self.assertNotIn("Thou shalt", json.dumps(told["pushed"]))
        self.assertEqual(told["pushed"]["fcm"][0]["content"]["data"]["node"], registered[0]["node"])
        self.assertEqual(told["pushed"]["fcm"][0]["content"]["android"]["priority"], "HIGH")
        self.assertEqual(told["pushed"]["apns"][0]["content"]["aps"]["alert"]["body"], "New message")
        self.assertEqual(json.loads(told["pushed"]["webpush"][0]["content"])["node"], registered[2]["node"])

    async def test_killed(self) -> None:
        """The vendor is down, and then we are, with SIGKILL: what Prosody was told that we have is sent."""
        juliet = await self.person(self.there, "juliet", self.theirs)
        tybalt = await self.person(self.there, "tybalt", self.theirs)
        token = self.vendors.ask("/fcm", {})["token"]
        await self.enable(juliet, await self.command(juliet, "register-push-fcm", android_id="phone", token=token))
        await juliet.disconnect()
        self.vendors.ask("/fail", {"vendor": "fcm", "error": "UNAVAILABLE", "retry-after": "4"})
        tybalt.client.send_message(mto=juliet.bare, mbody="Art thou awake?", mtype="chat")

        def taken() -> bool:
            rows = json.loads(self.here.xmppctl("push-service", "status", "--json"))
            return any(row["road"] == "fcm" and row["waiting"] == 1 for row in rows)

        await eventually(lambda: asyncio.to_thread(taken), "the push waits")
        self.here.cut()
        self.assertNotIn(token, json.dumps(self.vendors.pushed("fcm")))
        await asyncio.to_thread(self.here.start)
        await eventually(lambda: asyncio.to_thread(self.woken, token), "the phone is woken")

    def woken(self, token: str) -> bool:
        """Was a device pushed to?"""
        return any(push["device"] == token for push in self.vendors.pushed("fcm"))

    async def all_woken(self) -> bool:
        pushed = (await asyncio.to_thread(self.vendors.ask))["pushed"]
        return all(pushed[vendor] for vendor in ("fcm", "apns", "webpush"))
