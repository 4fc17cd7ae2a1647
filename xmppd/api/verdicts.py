"""What a filter may decide about a stanza. Returning None is the same as :class:`Pass` and costs nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from xmppd.wire.errors import StanzaError
from xmppd.wire.stanza import Stanza

__all__ = ["Bounce", "Drop", "Handled", "Outcome", "Pass", "Replace", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Base of the verdicts. `also` are stanzas to route as well, after this one."""

    also: Sequence[Stanza] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class Pass(Verdict):
    """Go on with the next filter, and at last with the stanza."""


@dataclass(frozen=True, slots=True)
class Handled(Verdict):
    """This plugin has done what there was to do: the stanza goes no further, and that is no error."""


@dataclass(frozen=True, slots=True)
class Drop(Verdict):
    """Throw the stanza away without a word; an IQ get or set is still answered, with service-unavailable."""


@dataclass(frozen=True, slots=True)
class Bounce(Verdict):
    """Refuse the stanza: its sender gets `error`, if the kind of stanza may be answered. Same as raising it."""

    error: StanzaError


@dataclass(frozen=True, slots=True)
class Replace(Verdict):
    """Go on with another stanza in place of this one."""

    stanza: Stanza


#: What a filter may return.
Outcome = Verdict | None | Awaitable[Verdict | None]
