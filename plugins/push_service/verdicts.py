"""What follows from a vendor's verdict on a parcel. Pure.

| verdict | what is done |
|---|---|
| accepted | it is settled |
| gone | the registration is removed; the next to publish there learns that it isn't there |
| throttled, temporary | tried again: when the vendor says, else after a time that doubles, as long as it is of use |
| too large | once more, as nothing but a wake-up |
| credentials | it waits until they are tried again, or others are set; nothing is lost but time |
| refused | it is given up |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from xmppd.plugins.push_service.roads.contract import Verdict

__all__ = ["Decision", "Patience", "Step", "decide"]


class Step(Enum):
    """What is done with a parcel."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    GONE = "gone"
    AGAIN = "again"
    STRIP = "strip"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited between attempts, in seconds; see the options of the same names."""

    retry: float
    throttled: float
    most: float
    hold: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done, in how many seconds, and why."""

    step: Step
    reason: str = ""
    delay: float = 0.0


def decide(verdict: Verdict, failures: int, stripped: bool, seconds_left: float, patience: Patience) -> Decision:
    """Return what follows.

    :param failures: earlier attempts that were throttled or failed.
    :param stripped: there is nothing left to be taken away from it.
    :param seconds_left: for which it is of use.
    """
    text = verdict.text or verdict.kind
    if verdict.kind == "accepted":
        return Decision(Step.ACCEPTED)
    if verdict.kind == "gone":
        return Decision(Step.GONE, text)
    if verdict.kind == "credentials":
        return Decision(Step.HOLD, text, patience.hold)
    if verdict.kind == "too large" and not stripped:
        return Decision(Step.STRIP, text)
    if verdict.kind in ("too large", "refused"):
        return Decision(Step.FAILED, text)
    first = patience.throttled if verdict.kind == "throttled" else patience.retry
    delay = min(patience.most, first * 2 ** min(failures, 30))
    if verdict.retry_after is not None:  # one who says "now" each time doesn't keep us busy
        delay = max(min(patience.most, 2.0 ** max(0, min(failures, 30) - 3)), verdict.retry_after)
    if delay > seconds_left:
        return Decision(Step.FAILED, f"given up when its time was over: {text}")
    return Decision(Step.AGAIN, text, delay)
