"""People on our server and people on Prosody."""

from __future__ import annotations

from tests.interop.network import federation, servers


class WithProsody(federation.Federation):
    """Prosody 0.12 as Debian has it."""

    there_class = servers.Prosody
    by_certificates = frozenset({"certificate", "we by EXTERNAL"})

    async def test_conversation_with_bidi(self) -> None:
        """One connection for both directions (XEP-0288), which Prosody offers for this domain."""
        self._needs_us()
        await self._conversation(self.ours, self.theirs_bidi)
        back = f"Outgoing s2s connection {self.theirs_bidi.name}->{self.ours.name} complete"
        self.assertFalse(self.there.logged(back))
