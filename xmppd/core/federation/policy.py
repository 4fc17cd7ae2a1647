"""Who is talked to, and how they have to prove who they are: `[s2s]` and `[s2s.domains]` as one answer."""

from __future__ import annotations

from dataclasses import dataclass

from xmppd.core.settings import Domain, S2s

__all__ = ["Policy", "policy_for", "source_of"]


@dataclass(frozen=True)
class Policy:
    """How one domain is dealt with.

    :ivar blocked: it is not talked to.
    :ivar certificate_only: it has to prove its name by a certificate; dialback is not enough.
    :ivar tls_required: streams have to be encrypted.
    :ivar address: ``HOST:PORT`` where it is; "" to ask DNS.
    :ivar direct_tls: does TLS begin with the first octet there?
    """

    blocked: bool
    certificate_only: bool
    tls_required: bool
    address: str = ""
    direct_tls: bool = False


def policy_for(domain: str, settings: S2s) -> Policy:
    """Return the policy for a domain: of its own table, or of the nearest ``*.`` above it, or else the general one."""
    own = _table(domain, settings)
    name = own.policy or settings.policy
    required = settings.tls_required if own.tls_required is None else own.tls_required
    return Policy(
        blocked=name == "blocked",
        certificate_only=name == "certificate",
        tls_required=required or name == "certificate",
        address=own.address,
        direct_tls=own.direct_tls,
    )


def source_of(domain: str, settings: S2s) -> str:
    """Say where the policy for a domain is written."""
    name = _name(domain, settings)
    if name is not None and settings.domains[name].policy is not None:
        return f'[s2s.domains."{name}"]'
    return "[s2s]" if "policy" in settings.model_fields_set else "the default"


def _table(domain: str, settings: S2s) -> Domain:
    name = _name(domain, settings)
    return _NOTHING if name is None else settings.domains[name]


def _name(domain: str, settings: S2s) -> str | None:
    """Return the name of the table that is for a domain, if there is one."""
    if domain in settings.domains:
        return domain
    above = domain
    while "." in above:
        above = above.partition(".")[2]
        if f"*.{above}" in settings.domains:
            return f"*.{above}"
    return None


_NOTHING = Domain()
