"""The pages an operator's programs ask for: ``/metrics``, ``/health``, ``/ready``."""

from __future__ import annotations

import json
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from twisted.web.server import Request

from xmppd.core.readiness import Readiness
from xmppd.net.http.server import Answer, Make, Page, text
from xmppd.net.peers import Networks

__all__ = ["operator_pages"]

_JSON = b"application/json"


def operator_pages(
    registry: CollectorRegistry, readiness: Readiness, networks: Callable[[], Networks]
) -> dict[bytes, Page]:
    """Return the pages by name.

    :param registry: the figures.
    :param networks: tells who may read them.
    """

    def metrics(request: Request) -> Answer:
        """Everything, in Prometheus' text format or in OpenMetrics, as the client likes."""
        encode, type_ = choose_encoder(_accept(request))
        return Answer(encode(registry), type=type_.encode())

    def health(request: Request) -> Answer:
        """That this page is made at all says that the process lives and its reactor turns."""
        return _answer(request, "alive", {"alive": True})

    async def ready(request: Request) -> Answer:
        """Should clients be sent here? 503 if not, with the reasons."""
        problems = await readiness.problems()
        words = "; ".join(problems) or "ready"
        return _answer(request, words, {"ready": not problems, "problems": problems}, 503 if problems else 200)

    pages: dict[bytes, Make] = {b"metrics": metrics, b"health": health, b"ready": ready}
    return {name: Page(make, networks) for name, make in pages.items()}


def _answer(request: Request, words: str, content: dict[str, object], code: int = 200) -> Answer:
    if _quality(_accept(request), "application/json") > _quality(_accept(request), "text/plain"):
        return Answer(json.dumps(content).encode() + b"\n", code, _JSON)
    return text(words, code)


def _accept(request: Request) -> str:
    return ",".join(value.decode("latin-1") for value in request.requestHeaders.getRawHeaders(b"Accept", []))


def _quality(accept: str, type_: str) -> float:
    """How much does a client want a media type (RFC 9110 12.5.1)? By the most specific range that has it."""
    found: dict[str, float] = {}
    for element in accept.split(","):
        name, *parameters = (part.strip().lower() for part in element.split(";"))
        weight = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
        try:
            found[name] = float(weight)
        except ValueError:
            found[name] = 0.0
    ranges = (type_, f"{type_.partition('/')[0]}/*", "*/*")
    return next((found[name] for name in ranges if name in found), 0.0)
