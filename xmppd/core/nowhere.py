"""A network for servers that have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from xmppd.api.http import Response
from xmppd.api.network import IPort, NoConnection, Reach

__all__ = ["NoNetwork"]


class NoNetwork:
    """A network in which there is nobody. Implements :class:`xmppd.api.network.INetwork`."""

    async def connect(self, endpoint: str, protocol: Any, timeout: float = 30.0) -> Any:
        """See INetwork."""
        raise NoConnection(f"{endpoint} can't be reached: there is no network")

    async def listen(self, endpoint: str, factory: Any) -> IPort:
        """See INetwork."""
        raise NoConnection(f"{endpoint} can't be opened: there is no network")

    async def accept(self, endpoint: str, make: Callable[[str], Any | None]) -> IPort:
        """See INetwork."""
        raise NoConnection(f"{endpoint} can't be opened: there is no network")

    async def fetch(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        timeout: float = 30.0,
        octets: int = 65_536,
        http2: bool = False,
        public: bool | Reach = False,
    ) -> Response:
        """See INetwork."""
        raise NoConnection(f"{url} can't be reached: there is no network")
