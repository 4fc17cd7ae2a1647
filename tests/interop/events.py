"""What a client in another process tells of itself, to be waited for."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.interop.device import PATIENCE


class Events:
    """Events in the order in which they came: mappings, each with its name as ``event``."""

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._events: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    def add(self, event: dict[str, Any]) -> None:
        """Take one that came."""
        self._events.append(event)
        self._news.set()

    async def wait_for(self, name: str, /, **expected: Any) -> dict[str, Any]:
        """Wait for an event, and forget all before it."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for number, event in enumerate(self._events):
                        if event["event"] == name and expected.items() <= event.items():
                            del self._events[: number + 1]
                            return event
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{self._whose} waited for {name} {expected}; came: {self._events}") from None
