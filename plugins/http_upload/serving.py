"""How files are handed out: nothing that was uploaded may run in anybody's browser (XEP-0363 10.1)."""

from __future__ import annotations

from collections.abc import Mapping

from xmppd.plugins.http_upload.names import disposition, served_as

__all__ = ["file_headers"]

_LONGEST_CACHED = 86_400


def file_headers(type: str, name: str, seconds_left: float | None) -> tuple[str, Mapping[str, str]]:
    """Return the Content-Type and the other header fields of a file.

    :param type: the media type that its owner has given.
    :param seconds_left: until it ends, or None.
    """
    content_type, shown = served_as(type)
    cached = _LONGEST_CACHED if seconds_left is None else max(0, min(_LONGEST_CACHED, int(seconds_left)))
    return content_type, {
        "Content-Disposition": disposition(name, shown),
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        # Pages of web clients may show it; whoever has the address may have the file anyway.
        "Cross-Origin-Resource-Policy": "cross-origin",
        # In the cache of who has got it, and nobody else's: it has to be gone when it is deleted.
        "Cache-Control": f"private, max-age={cached}, immutable",
    }
