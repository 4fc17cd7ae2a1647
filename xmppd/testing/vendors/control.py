"""How a test tells stand-ins that run in a process of their own what to do: by HTTP, beneath ``/control``.

| | |
|---|---|
| `GET /control` | credentials: ``service_account``, ``apns``; what was ``pushed``, and the ``mistakes`` |
| `POST /control/webpush` | a new subscriber; the body may say ``{"key": "..."}``, the VAPID key that it is for |
| `POST /control/fcm`, `POST /control/apns` | the token of a new device |
| `POST /control/fail` | ``{"vendor": "fcm", "error": "UNAVAILABLE", "times": 3, "retry-after": "5"}`` |
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from xmppd.api.http import Request, Response
from xmppd.testing.vendors.vendor import Pushed, Vendor
from xmppd.testing.vendors.vendors import Vendors

__all__ = ["Controlled"]


class Controlled:
    """Stand-ins, and pages that control them."""

    def __init__(self, vendors: Vendors) -> None:
        self.vendors = vendors
        self._by_name: dict[str, Vendor] = {"webpush": vendors.webpush, "fcm": vendors.fcm, "apns": vendors.apns}

    def __call__(self, request: Request) -> Response:
        """Answer a request; its path is the whole URL."""
        path = urlsplit(request.path).path
        if path != "/control" and not path.startswith("/control/"):
            return self.vendors(request)
        wanted = json.loads(request.body) if request.body else {}
        try:
            return Response.json(self._do(path.removeprefix("/control").strip("/"), wanted))
        except KeyError as error:
            return Response.text(f"there is no {error}", 404)

    def _do(self, what: str, wanted: dict[str, Any]) -> Any:
        vendors = self.vendors
        if what == "":
            apns = {name: getattr(vendors.apns, name) for name in ("key", "key_id", "team_id", "topic")}
            pushed = {name: [_shown(push) for push in vendor.pushed] for name, vendor in self._by_name.items()}
            account = vendors.fcm.service_account
            return {"service_account": account, "apns": apns, "pushed": pushed, "mistakes": vendors.mistakes}
        if what == "webpush":
            return vendors.webpush.subscribe(wanted.get("key", "")).target
        if what == "fcm":
            return {"token": vendors.fcm.register()}
        if what == "apns":
            device = vendors.apns.register()
            return {"token": device.token, "voip": device.voip}
        if what == "fail":
            more = {"retry_after": str(wanted["retry-after"])} if "retry-after" in wanted else {}
            self._by_name[wanted["vendor"]].fail(str(wanted["error"]), int(wanted.get("times", 1)), **more)
            return {}
        raise KeyError(what)


def _shown(pushed: Pushed) -> dict[str, Any]:
    content = pushed.content.decode("utf-8", "replace") if isinstance(pushed.content, bytes) else pushed.content
    return {"device": pushed.device, "content": content, "headers": dict(pushed.headers)}
