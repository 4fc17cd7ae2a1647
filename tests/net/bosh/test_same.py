"""What holds over TCP holds over BOSH. Walks with kills are in test_kills.py, with more that can go wrong."""

from __future__ import annotations

from tests.net.again import ABOVE_STREAMS, again

#: STARTTLS; what comes in the same packet as something else; how the octets of an answer begin; connections that are
#: paused or closed, and headers.
_ABOUT_TCP = frozenset((
    "Encryption.test_required", "EncryptionThatIsNotRequired.test_required", "Succeeding.test_offered",
    "Succeeding.test_scram", "Failing.test_anything_else_while_the_server_thinks", "Resources.test_pipelined",
    "Deletion.test_in_band", "Crowds.test_octets", "Crowds.test_stanzas", "Failing.test_no_new_stream",
    "Succeeding.test_header", "Taking.test_too_much_meanwhile", "Taking.test_deleted_meanwhile",
))  # fmt: skip
globals().update(again("bosh", __name__, ABOVE_STREAMS, _ABOUT_TCP))
