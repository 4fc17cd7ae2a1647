"""TLS for clients that know nothing of today's versions and cipher suites, on ports of their own."""

from __future__ import annotations

from collections.abc import Mapping

from xmppd.core.options import SettingsError
from xmppd.core.settings import Settings
from xmppd.net.tls.certificates import CertificateError, CertificateFiles, Credentials, read
from xmppd.net.tls.context import Contexts

__all__ = ["legacy_contexts"]


def legacy_contexts(settings: Settings, credentials: Mapping[str, Credentials]) -> Contexts:
    """Return the contexts of ports for old clients: what weakens them is in them alone.

    :raises SettingsError: the certificate can't be read, or OpenSSL knows none of the ciphers.
    """
    old = settings.legacy_tls
    changes = {"minimum_version": old.minimum_version, "ciphers": old.ciphers, "client_ca": None}
    if old.certificate is not None:
        try:
            own = read(CertificateFiles(old.certificate, old.key or old.certificate))
        except CertificateError as error:
            raise SettingsError([f"[legacy_tls]: {error}"]) from None
        credentials = dict.fromkeys(credentials, own)
    try:
        return Contexts(settings.tls.model_copy(update=changes), credentials)
    except SettingsError:
        raise SettingsError([f'[legacy_tls]: ciphers: OpenSSL knows none of "{old.ciphers}"']) from None
