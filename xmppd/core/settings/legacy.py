"""Settings of the ports for clients that are too old for the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from xmppd.core.settings.section import Section

__all__ = ["LegacyTls"]


class LegacyTls(Section):
    """TLS on the ports of `c2s_legacy_tls` under `[listen]`, for clients that know nothing of today's: phones of
    2010, say. What is written here weakens these ports alone. Streams to any domain are taken there; one that isn't
    served is taken for the first host. docs/androidpn.md tells more."""

    required: bool = True
    """Clients have to start TLS before they log in or register. It is offered in any case, and never said to be
    required: some of these clients give up when it is. False lets passwords cross the network in the clear."""
    minimum_version: Literal["1.0", "1.1", "1.2"] = "1.0"
    """The oldest version of TLS that is spoken."""
    ciphers: Annotated[str, Field(min_length=1)] = "DEFAULT:@SECLEVEL=0"
    """Cipher suites, as an OpenSSL list. TLS 1.0 and 1.1 need `@SECLEVEL=0` in it."""
    certificate: Annotated[Path | None, Field(strict=False, examples=["/etc/xmppd/old-rsa.pem"])] = None
    """PEM file, certificate first, then intermediates; instead of those that other ports show. Clients before Android
    4.0 can't do with one that isn't RSA. Relative to the folder of this file."""
    key: Annotated[Path | None, Field(strict=False, examples=["/etc/xmppd/old-rsa.key"])] = None
    """PEM file of the private key; not needed when `certificate` holds it too."""
