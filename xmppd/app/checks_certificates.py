"""What ``xmppctl check`` says of the hosts' certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from xmppd.app.checks import Finding
from xmppd.core.settings import Settings
from xmppd.net.tls.certificate_check import diagnose, system_roots
from xmppd.net.tls.certificates import CertificateError, candidates, find, read, read_chain

__all__ = ["check_certificates"]


def check_certificates(settings: Settings, now: datetime | None = None) -> Iterator[Finding]:
    """Look at the certificate of every host.

    :param now: with a time zone; by default, the present.
    """
    now = now or datetime.now(UTC)
    for host in settings.hosts:
        subject = f"certificate of {host}"
        files = find(settings, host)
        if files is None:
            path = next(candidates(settings.tls.certificate_dir, host)).certificate
            yield Finding(
                "warning",
                subject,
                "there is none; the server will make and sign one itself when it starts",
                f'Put one at {path}, and its key beside it, or name the files under [hosts."{host}"].',
            )
            continue
        found = diagnose(files, host, now, settings.tls.expires_soon_days, _roots(settings.s2s.ca))
        for finding in found:
            yield Finding(finding.level, subject, finding.text, finding.advice)
        if not found:
            end = read(files).leaf.not_valid_after_utc
            yield Finding("ok", subject, f"{files.certificate}, good until {end:%Y-%m-%d}")


def _roots(ca: Path | None) -> frozenset[bytes]:
    """Return the names of the authorities that are known here: those of the system, and of `[s2s] ca`."""
    own: frozenset[bytes] = frozenset()
    if ca is not None:
        with suppress(CertificateError):  # the server says what is wrong with the file
            own = frozenset(certificate.subject.public_bytes() for certificate in read_chain(ca))
    return system_roots() | own
