"""Archives of messages by owner, and answers to XEP-0313 queries: a building block for plugins that keep messages.

A plugin has tables made for it (:func:`make_tables`), declares ``tables.all``, and works with one :class:`Archives` a
host. Whose archives they are, what is archived, and who may see it is the plugin's business.
"""

from __future__ import annotations

from xmppd.api.archives.archives import Archives
from xmppd.api.archives.pages import Selection
from xmppd.api.archives.reader import Answer, Limits, View
from xmppd.api.archives.tables import HIGHEST_ID, ArchiveTables, brief, make_tables
from xmppd.api.archives.turns import Turns
from xmppd.api.archives.walks import Walk, covers, merged

__all__ = [
    "HIGHEST_ID", "Answer", "ArchiveTables", "Archives", "Limits", "Selection", "Turns", "View", "Walk", "brief",
    "covers", "make_tables", "merged",
]  # fmt: skip
