"""Short messages through a provider's HTTP interface: one request for each message, made from a template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from twisted.internet.defer import DeferredSemaphore

from xmppd.api import Condition, IClock, StanzaError
from xmppd.api.gateway import TryAgain
from xmppd.api.http import Response
from xmppd.api.network import INetwork, NoConnection
from xmppd.plugins.sms.options import Http
from xmppd.plugins.sms.pace import Pace
from xmppd.plugins.sms.provider import Note, Short, number_of
from xmppd.plugins.sms.text import speakable

__all__ = ["WebProvider", "at", "filled"]

_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_TOO_MANY = 429
#: Seconds to wait when the provider says that it is too much; longer, if it says so itself, but not longer than this.
_PAUSE, _LONGEST = 5.0, 3600.0
_LONGEST_NAME = 500  # characters of a message's name


def filled(template: Any, values: Mapping[str, str]) -> Any:
    """Return a template with its placeholders filled in, in all texts that it holds."""
    if isinstance(template, str):
        return template.format(**values)
    if isinstance(template, Mapping):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    return template


def at(content: Any, path: str) -> Any:
    """Return what stands at a path such as ``messages.0.id``; None if there is nothing. "" is the whole."""
    for step in path.split(".") if path else ():
        if isinstance(content, Mapping):
            content = content.get(step)
        elif isinstance(content, list) and step.isascii() and step.isdigit() and int(step) < len(content):
            content = content[int(step)]
        else:
            return None
    return content


class WebProvider:
    """Sends through a provider's HTTP interface; what comes, comes to the plugin's webhook."""

    def __init__(self, network: INetwork, clock: IClock, options: Http) -> None:
        self._network = network
        self._options = options
        self._pace = Pace(clock, options.messages_per_second, _PAUSE, _LONGEST)
        self._window = DeferredSemaphore(options.window)
        self.concurrency = options.window
        self._sent = 0
        self._problem = ""

    def start(self) -> None:
        """See Provider: there is nothing to begin."""

    async def stop(self) -> None:
        """See Provider: there is nothing to end."""

    def describe(self) -> dict[str, Any]:
        """See Provider."""
        address = self._options.url.partition("?")[0]
        return {"provider": "http", "url": address, "sent": self._sent, "problem": self._problem}

    async def send(self, short: Short, note: Note) -> Sequence[str]:
        """See Provider."""
        await self._window.acquire()
        try:
            await self._pace.turn()
            method, url, headers, body = self._request(short)
            response = await self._network.fetch(
                method, url, headers, body, timeout=self._options.timeout_seconds, octets=self._options.answer_octets
            )
        except NoConnection as error:
            self._problem = str(error)
            raise TryAgain("the provider can't be reached", uncertain=True) from None
        finally:
            self._window.release()
        name = self._outcome(response)
        self._pace.eased()
        self._sent += 1
        self._problem = ""
        return [name] if name else []

    def _request(self, short: Short) -> tuple[str, str, dict[str, str], bytes]:
        options = self._options
        number = str if options.plus else number_of
        values = {"to": number(short.number), "from": number(short.source), "text": short.text,
                  "id": short.message.key, "parts": str(short.parts),
                  "secret": options.secret.get_secret_value()}  # fmt: skip
        url = options.url.format(**{name: quote(value, safe="") for name, value in values.items()})
        headers = {name: value.get_secret_value() for name, value in options.headers.items()}
        content = filled(options.body, values)
        if not content:
            return options.method, url, headers, b""
        body = json.dumps(content) if options.format == "json" else urlencode(content)
        return options.method, url, {"Content-Type": _TYPES[options.format], **headers}, body.encode()

    def _outcome(self, response: Response) -> str:
        """Return the provider's name for a message that it has taken, or ""; raise what becomes of it otherwise."""
        options, status = self._options, response.status
        content = _content(response)
        good = status in options.success_statuses if options.success_statuses else 200 <= status < 300
        said = str(at(content, options.success_field)) if options.success_field else ""
        if good and (not options.success_field or said in options.success_values):
            return self._name(response, content)
        self._problem = f"the provider has answered {status}: {_shown(response)}"
        if status == _TOO_MANY:
            self._pace.throttled()
            raise TryAgain("the provider takes no more messages now", after=_seconds(response),
                           condition=Condition.RESOURCE_CONSTRAINT)  # fmt: skip
        if good or status in options.permanent_statuses:
            raise StanzaError(
                Condition.NOT_ACCEPTABLE, text=f"The provider does not accept the message ({said or status})."
            )
        raise TryAgain(f"the provider has answered {status}")

    def _name(self, response: Response, content: Any) -> str:
        if self._options.id_field:
            found = at(content, self._options.id_field)
            return "" if found is None or isinstance(found, dict | list) else speakable(str(found))[:_LONGEST_NAME]
        if self._options.id_pattern:
            match = re.search(self._options.id_pattern, response.body.decode("utf-8", "replace"))
            return speakable(match[1])[:_LONGEST_NAME] if match and match[1] else ""
        return ""


def _content(response: Response) -> Any:
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def _shown(response: Response) -> str:
    return response.body[:200].decode("utf-8", "replace")


def _seconds(response: Response) -> float:
    """How long to wait (RFC 9110 section 10.2.3); dates are not looked at."""
    text = response.headers.get("retry-after", "")
    return min(_LONGEST, float(text)) if text.isascii() and text.isdigit() else _PAUSE
