"""Operations on links with other servers that need no link: looking whether one could be made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from xmppd.api.operations import OperationError, Permission, operation
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid, JidError

__all__ = ["LinkTest", "Probing"]

#: Looks for the server of a domain and at it; arguments are the domain of ours that asks, and the other one.
Probing = Callable[[str, str], Awaitable[dict[str, Any]]]


class LinkTest:
    """`s2s test`.

    :param ours: returns the domains served here, the first of which asks unless another is named.
    :param probing: returns what does it; None while there is nothing that can.
    """

    def __init__(self, ours: Callable[[], Collection[str]], probing: Callable[[], Probing | None]) -> None:
        self._ours = ours
        self._probing = probing

    @operation(
        "s2s test",
        permission=Permission.OPERATOR,
        offline=True,
        examples=("example.net", "example.net --from example.org"),
    )
    async def test(self, domain: str, *, from_: str | None = None) -> dict[str, Any]:
        """Look for another server: what the DNS says, which addresses answer, which certificate it shows, what it
        offers, whether it accepts us, and why not.

        :param domain: of the other server.
        :param from_: the domain of ours that asks; by default, the first.
        """
        ours = self._ours()
        remote, local = _domain(domain), _domain(from_ or next(iter(ours)))
        if local not in ours:
            raise OperationError(f"{local} is not served here; there are {', '.join(ours)}", Condition.ITEM_NOT_FOUND)
        if remote in ours:
            raise OperationError(f"{remote} is served here", Condition.BAD_REQUEST)
        probing = self._probing()
        if probing is None:
            raise OperationError("this server makes no connections to other servers")
        return await probing(local, remote)


def _domain(text: str) -> str:
    try:
        jid = Jid.parse(text)
    except JidError as error:
        raise OperationError(f"{text} is no domain: {error}") from None
    if jid.local or jid.resource:
        raise OperationError(f"{text} is no domain")
    return jid.domain
