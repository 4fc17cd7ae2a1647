"""SASL as XMPP carries it: one attempt after the other, in either profile (RFC 6120 section 6.4, XEP-0388)."""

from __future__ import annotations

from xmppd.wire import ns
from xmppd.wire.sasl.encoding import decode
from xmppd.wire.sasl.keys import ScramKeys
from xmppd.wire.sasl.offer import MECHANISMS, needs_tls
from xmppd.wire.sasl.outcome import Context, Failure, Mechanism, Outcome, SaslCondition, Success, malformed
from xmppd.wire.sasl.profiles import PROFILES, Profile
from xmppd.wire.stanza import Nonza


class Exchange:
    """The attempts of one stream to authenticate, one after the other.

    Give every element of the namespaces in `PROFILES` to `receive` and act on the outcome: write a `Challenge`, a
    `Success` or a `Failure` as its profile does; answer a `LookUp` with `credentials` and a `Derive` with `derived`,
    each of which gives the next outcome, and give nothing else to `receive` before that.

    `max_message` limits the octets of one message of the client, after decoding. `max_failures` is the number of
    failed attempts after which `exhausted` is true and the stream should be closed (section 6.4.5 wants two to
    five retries); it doesn't matter in which profile.
    """

    def __init__(self, context: Context, max_message: int = 4096, max_failures: int = 5) -> None:
        self.context = context
        self.failures = 0
        self._max_message = max_message
        self._max_failures = max_failures
        self._mechanism: Mechanism | None = None
        self._profile: Profile = PROFILES[ns.SASL]  # of the attempt under way

    @property
    def exhausted(self) -> bool:
        """True when the client has failed too often: close the stream with `policy-violation`."""
        return self.failures >= self._max_failures

    def receive(self, element: Nonza) -> Outcome:
        """Take an element of one of the SASL namespaces."""
        return self._note(self._receive(element))

    def credentials(self, found: ScramKeys | None) -> Outcome:
        """Answer a `LookUp` with the account's keys, None if there is no such account or no key for that hash."""
        return self._note(self._running().credentials(found))

    def derived(self, salted: bytes) -> Outcome:
        """Answer a `Derive` with what its `run` returned."""
        return self._note(self._running().derived(salted))

    def fail(self, condition: SaslCondition, text: str | None = None) -> Failure:
        """End the attempt for a reason of the server's.

        For instance `temporary-auth-failure` instead of an answer to `LookUp`, or `account-disabled` instead of
        writing a `Success`.
        """
        failure = Failure(condition, text)
        self._note(failure)
        return failure

    def _receive(self, element: Nonza) -> Outcome:
        profile = PROFILES[element.namespace]
        if element.name == "abort":
            return Failure(SaslCondition.ABORTED)
        if self._mechanism is not None and profile is not self._profile:
            return malformed("the attempt under way has been begun with another namespace")
        if element.name == profile.begins:
            if self._mechanism is not None:
                return malformed("an attempt is under way already")
            wrong = self._begin(element.attributes.get("mechanism", ""))
            if wrong is not None:
                return wrong
            self._profile = profile
        elif element.name != "response":
            return malformed(f"{element.name!r} is not for a client to send")
        if self._mechanism is None:
            return malformed("no response was expected")
        text = profile.text(element)
        if isinstance(text, Failure):
            return text
        data = None if text is None else self._decode(text)
        return data if isinstance(data, Failure) else self._mechanism.step(data)

    def _begin(self, name: str) -> Failure | None:
        offered = self.context.offered
        if name in offered:
            self._mechanism = MECHANISMS[name](name, self.context)
            return None
        if not self.context.secure and name in MECHANISMS and (needs_tls(name) or not offered):
            return Failure(SaslCondition.ENCRYPTION_REQUIRED)
        return Failure(SaslCondition.INVALID_MECHANISM)

    def _decode(self, text: bytes) -> bytes | Failure:
        if len(text) > (self._max_message + 2) // 3 * 4:
            return malformed("the message is too long")
        data = decode(text)
        return Failure(SaslCondition.INCORRECT_ENCODING) if data is None else data

    def _running(self) -> Mechanism:
        if self._mechanism is None:
            raise RuntimeError("no attempt to authenticate is under way")
        return self._mechanism

    def _note(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Failure):
            self.failures += 1
        if isinstance(outcome, Failure | Success):
            self._mechanism = None
        return outcome
