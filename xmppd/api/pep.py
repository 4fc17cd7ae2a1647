"""What accounts publish (XEP-0163), to plugins that go by it, such as settings in bookmarks.

What there is they ask for as the account would: ``host.answer_as(Iq(account, account, ..., type="get", ...))``.
"""

from __future__ import annotations

from dataclasses import dataclass

from xmppd.wire.jid import Jid

__all__ = ["ItemsChanged"]


@dataclass(slots=True)
class ItemsChanged:
    """An account has changed one of its nodes, or what is in it. To be observed; made only if somebody does.

    :ivar account: the bare address.
    :ivar node: by name.
    """

    account: Jid
    node: str
