"""What holds over TCP holds over BOSH. Walks with kills are in test_kills.py, with more that can go wrong."""

from __future__ import annotations

from tests.net import (
    test_account_life,
    test_bind2,
    test_copies,
    test_deleted_meanwhile,
    test_ghosts,
    test_hibernating,
    test_interleavings,
    test_losses,
    test_losses_walks,
    test_sasl2,
    test_sasl2_kills,
    test_storage_faults,
)
from tests.net.again import again

_MODULES = (
    test_account_life, test_bind2, test_copies, test_deleted_meanwhile, test_ghosts, test_hibernating,
    test_interleavings, test_losses, test_losses_walks, test_sasl2, test_sasl2_kills, test_storage_faults,
)  # fmt: skip
#: STARTTLS; what comes in the same packet as something else; how the octets of an answer begin; connections that are
#: paused or closed, and headers.
_ABOUT_TCP = frozenset((
    "Encryption.test_required", "EncryptionThatIsNotRequired.test_required", "Succeeding.test_offered",
    "Succeeding.test_scram", "Failing.test_anything_else_while_the_server_thinks", "Resources.test_pipelined",
    "Deletion.test_in_band", "Crowds.test_octets", "Crowds.test_stanzas", "Failing.test_no_new_stream",
    "Succeeding.test_header", "Taking.test_too_much_meanwhile", "Taking.test_deleted_meanwhile",
))  # fmt: skip
globals().update(again("bosh", __name__, _MODULES, _ABOUT_TCP))
