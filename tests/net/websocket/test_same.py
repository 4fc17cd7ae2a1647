"""What holds over TCP holds over WebSocket."""

from __future__ import annotations

from tests.net import test_kills
from tests.net.again import ABOVE_STREAMS, again

#: STARTTLS; what comes in the same packet as something else; how the octets of an answer begin.
_ABOUT_TCP = frozenset((
    "Encryption.test_required", "EncryptionThatIsNotRequired.test_required", "Succeeding.test_offered",
    "Succeeding.test_scram", "Failing.test_anything_else_while_the_server_thinks", "Resources.test_pipelined",
    "Deletion.test_in_band",
))  # fmt: skip
globals().update(again("websocket", __name__, (*ABOVE_STREAMS, test_kills), _ABOUT_TCP))
