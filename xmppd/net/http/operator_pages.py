"""The pages an operator's programs ask for: ``/metrics``, ``/health``, ``/ready``."""

from __future__ import annotations

import json
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from xmppd.core.readiness import Readiness
from xmppd.net.http.answers import Answer, text
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.routes import Make, Page
from xmppd.net.peers import Networks

__all__ = ["operator_pages"]

_JSON = b"application/json"


def operator_pages(
    registry: CollectorRegistry, readiness: Readiness, networks: Callable[[], Networks], most: Callable[[], int]
) -> dict[str, Page]:
    """Return the pages by path.

    :param registry: the figures.
    :param networks: tells who may read them.
    :param most: octets that a body may have.
    """

    def metrics(exchange: Exchange) -> Answer:
        """Everything, in Prometheus' text format or in OpenMetrics, as the client likes."""
        encode, type_ = choose_encoder(_accept(exchange))
        return Answer(encode(registry), type=type_.encode())

    def health(exchange: Exchange) -> Answer:
        """That this page is made at all says that the process lives and its reactor turns."""
        return _answer(exchange, "alive", {"alive": True})

    async def ready(exchange: Exchange) -> Answer:
        """Should clients be sent here? 503 if not, with the reasons."""
        problems = await readiness.problems()
        words = "; ".join(problems) or "ready"
        return _answer(exchange, words, {"ready": not problems, "problems": problems}, 503 if problems else 200)

    pages: dict[str, Make] = {"/metrics": metrics, "/health": health, "/ready": ready}
    return {path: Page(make, networks, most) for path, make in pages.items()}


def _answer(exchange: Exchange, words: str, content: dict[str, object], code: int = 200) -> Answer:
    if _quality(_accept(exchange), "application/json") > _quality(_accept(exchange), "text/plain"):
        return Answer(json.dumps(content).encode() + b"\n", code, _JSON)
    return text(words, code)


def _accept(exchange: Exchange) -> str:
    return exchange.header("accept") or ""


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
