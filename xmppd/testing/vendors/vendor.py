"""What all stand-ins for vendors have in common: errors on demand, and what was found wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from xmppd.api.http import Headers, Request, Response

__all__ = ["Gone", "Pushed", "Rejected", "Vendor", "claims_of", "fields"]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What has reached a device.

    :ivar device: its token; with Web Push, its endpoint.
    :ivar content: with Web Push, what was in it when it was decrypted; else the JSON.
    :ivar headers: what the request's header said.
    """

    device: str
    content: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The content of a Web Push as text."""
        return bytes(self.content).decode()


class Rejected(Exception):
    """A request that the vendor answers with an error.

    :ivar error: the vendor's name for it; with Web Push, the status.
    :ivar text: what is wrong, for who reads the test.
    """

    def __init__(self, error: str, text: str = "") -> None:
        super().__init__(f"{error}: {text}" if text else error)
        self.error = error
        self.text = text


class Gone(Rejected):
    """There is no such device any more, which is nobody's mistake."""


class Vendor:
    """A vendor's server.

    :param now: the time, in seconds since the epoch.
    :ivar pushed: all that was accepted, in order.
    :ivar mistakes: what was wrong with what was not accepted, unless it was on demand. A test should expect none.
    :ivar asked: how many requests there were.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.pushed: list[Pushed] = []
        self.mistakes: list[str] = []
        self.asked = 0
        self._planned: deque[tuple[str, Mapping[str, str]]] = deque()
        self._always: tuple[str, Mapping[str, str]] | None = None

    def fail(self, error: str, times: int = 1, **headers: str) -> None:
        """Answer the next pushes, if they are as they should be, with an error.

        :param error: the vendor's name for it; with Web Push, the status.
        :param headers: of the answer, such as ``retry_after="5"``.
        """
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self._planned.extend([(error, fields)] * times)

    def fail_always(self, error: str = "", **headers: str) -> None:
        """Answer every push with an error; with none, stop doing so."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self._always = (error, fields) if error else None

    def __call__(self, request: Request) -> Response:
        """Answer a request; its path is the whole URL."""
        self.asked += 1
        try:
            pushed = self.check(request)
        except Rejected as rejected:
            if not isinstance(rejected, Gone):
                self.mistakes.append(str(rejected))
            return self.refusal(rejected.error, rejected.text, {})
        if isinstance(pushed, Response):
            return pushed
        planned = self._planned.popleft() if self._planned else self._always
        if planned is not None:
            return self.refusal(planned[0], "as the test wants it", planned[1])
        self.pushed.append(pushed)
        return self.accepted(request, pushed)

    def check(self, request: Request) -> Pushed | Response:
        """Return what is pushed, or the answer to what is no push.

        :raises Rejected: something is wrong with it.
        """
        raise NotImplementedError

    def accepted(self, request: Request, pushed: Pushed) -> Response:
        """Return the answer to a push."""
        raise NotImplementedError

    def refusal(self, error: str, text: str, headers: Mapping[str, str]) -> Response:
        """Return the answer that is an error."""
        raise NotImplementedError


def claims_of(token: str, key: ECKey | RSAKey, algorithm: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the header and the claims of a JWT.

    :raises ValueError: it is none, or not signed with that key.
    """
    try:
        found = jwt.decode(token, key, algorithms=[algorithm])
    except JoseError as error:
        raise ValueError(f"the token is not good: {error}") from None
    return found.header, found.claims


def fields(headers: Headers, *names: str) -> dict[str, str]:
    """Return those fields that are there."""
    return {name: headers[name] for name in names if name in headers}
