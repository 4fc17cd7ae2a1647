"""`xmppctl s2s test`: looks for another server, at it, and tells what was tried and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xmppd.core.federation.policy import Policy
from xmppd.net.s2s.dialer import Dialer
from xmppd.net.s2s.probe import Probe, Seen
from xmppd.net.s2s.targets import Target, static_target
from xmppd.net.tls.peer import PeerTls

__all__ = ["inspect"]


async def inspect(
    dialer: Dialer,
    tls: PeerTls,
    local: str,
    remote: str,
    policy: Policy,
    key: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """Look for the server of a domain and at the first place where a stream can be opened.

    :param local: the domain of ours that asks.
    :param policy: what the settings say of `remote`.
    :param key: returns the key of dialback for a stream of that id; None if nobody is there to have it verified.
    :returns: what was found, for people: fields, and a table of `steps`.
    """
    probes: list[Probe] = []

    def make(target: Target) -> Any:
        seconds = dialer.settings.negotiation_seconds
        probe = Probe(dialer.reactor, tls, local, remote, target.direct_tls, seconds, key)
        probes.append(probe)
        return tls.wrap_initiating(probe, local, remote) if target.direct_tls else probe

    try:
        route = static_target(policy.address, policy.direct_tls) if policy.address else None
    except ValueError as error:
        return _report(local, remote, None, (False, f"the settings say where {remote} is, but {error}"), [])
    search = dialer.search(remote, make, route)
    steps: list[str] = []
    told, seen = 0, None
    try:
        while await search.next() is not None:
            steps += search.trail[told:]
            told = len(search.trail)
            seen = await probes[-1].look()
            steps += _steps(seen, probes[-1].peer)
            if not seen.problem:
                break
        else:
            steps += search.trail[told:]
    finally:
        search.stop()
    return _report(local, remote, seen, _verdict(local, remote, seen, policy, search.problem, key is not None), steps)


#: Is it good, and what it is, for people.
Verdict = tuple[bool, str]


def _steps(seen: Seen, peer: str) -> list[str]:
    steps = []
    if seen.proof is not None:
        steps += [f"{peer}: encrypted with {seen.encryption}", f"{peer}: {seen.proof.reason}"]
    if seen.problem:
        steps.append(f"{peer}: {seen.problem}")
    return steps


def _verdict(local: str, remote: str, seen: Seen | None, policy: Policy, problem: str, serving: bool) -> Verdict:
    """Say in one sentence what it comes to, and whether that is good."""
    if seen is None:
        forbidden = "; the settings forbid to talk to it, too" if policy.blocked else ""
        return False, f"{remote} can't be reached: {problem or 'there is no place to try'}{forbidden}"
    if policy.certificate_only and not policy.blocked and seen.proof is not None and not seen.proof.proven:
        return False, f"{remote} can be reached, but {seen.proof.reason}; the settings require a certificate"
    if seen.problem:
        return False, f"{remote} can be reached, but {seen.problem}"
    if policy.blocked:
        return False, f"{remote} can be reached, but the settings forbid to talk to it"
    if policy.tls_required and seen.proof is None:
        return False, f"{remote} can be reached, but does not offer TLS, which the settings require"
    if seen.accepted:
        doubts = f"; but {seen.proof.reason}" if seen.proof is not None and not seen.proof.proven else ""
        return True, f"{remote} accepts stanzas from {local}, by {seen.accepted}{doubts}"
    if seen.refusal:
        return False, f"{remote} can be reached, but {seen.refusal}"
    if serving:
        return False, f"{remote} can be reached, but offers no way to prove that we are {local}"
    return True, (
        f"{remote} can be reached; whether it accepts stanzas from {local} can only be tried while the server runs,"
        " because it offers nothing but dialback"
    )


def _report(local: str, remote: str, seen: Seen | None, verdict: Verdict, steps: list[str]) -> dict[str, Any]:
    ok, text = verdict
    report: dict[str, Any] = {"domain": remote, "from": local, "ok": ok, "result": text}
    if seen is not None and not seen.problem:
        report["encryption"] = seen.encryption or "none"
        report["offers"] = ", ".join(seen.offers) or "nothing"
    proof = None if seen is None else seen.proof
    if proof is not None:
        report["certificate"] = proof.reason
        summary = proof.certificate
        if summary is not None:
            report |= {
                "subject": summary.subject,
                "names": ", ".join(summary.names),
                "issuer": summary.issuer,
                "valid": f"{summary.start:%Y-%m-%d} to {summary.end:%Y-%m-%d}",
                "fingerprint": summary.fingerprint,
            }
    report["steps"] = [{"number": number, "step": step} for number, step in enumerate(steps, 1)]
    return report
