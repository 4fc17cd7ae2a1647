"""What goes over the wire between androidpn's clients and us, beside XMPP: IQs in namespaces of their own.

Nothing of it was ever specified. The shape of notifications is the one that all known clients read, and what they
send is read leniently: their XML has stray white space, and values that nobody has escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from xmppd.api import Element, Iq, ISession, Jid, tag
from xmppd.api.notifications import Notification

__all__ = [
    "ALIAS", "CONFIRM", "CONFIRM_EIS", "MARK", "NOTIFICATION", "RECEIPT", "TAG", "TAGS", "Format", "fields", "tags_in",
]  # fmt: skip

NOTIFICATION = "androidpn:iq:notification"
CONFIRM = "androidpn:iq:deliverconfirm"
#: The same in a derivative that was given other names.
CONFIRM_EIS = "eisserver:iq:deliverconfirm"
RECEIPT = "androidpn:iq:receipt"
ALIAS = "androidpn:iq:setalias"
TAGS = "androidpn:iq:settags"
TAG = "androidpn:iq:settag"
#: What is kept of a session whose client was found to be androidpn's.
MARK = "androidpn"

#: What XML 1.0 can't carry, and what parsers on old phones stumble over.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Format:
    """Writes notifications for androidpn's clients. Implements :class:`xmppd.api.notifications.IFormat`.

    :param host: whom notifications are from.
    :param resources: by which clients are known.
    """

    name = "androidpn"

    def __init__(self, host: Jid, resources: tuple[str, ...], api_key: str, settling: float, fence: bool) -> None:
        self._host = host
        self._resources = frozenset(resources)
        self._api_key = api_key
        self._settling = settling
        self._fence = fence

    def speaks(self, session: ISession) -> bool:
        """See IFormat."""
        return session.jid.resource in self._resources or bool(session.state.get(MARK))

    def stanza(self, notification: Notification, to: Jid) -> Iq:
        """Return the IQ. Clients never answer it.

        Their parser takes all start tags for fields until an end tag called ``notification``, however deep. So no field
        has children, none is left out (apps call methods of what is missing), and what is new has a name of its own.
        Both names of the id have the same value: some confirm the one, some the other.
        """
        values: dict[str, str] = {
            "id": notification.id,
            "uuid": notification.id,
            "apiKey": self._api_key,
            "title": notification.title,
            "message": notification.body,
            "uri": notification.uri,
            "imageUrl": notification.image,
        }
        if notification.data:
            values["data"] = json.dumps(dict(notification.data), ensure_ascii=False, separators=(",", ":"))
        content = b"".join(tag(name, _UNFIT.sub("", value)) for name, value in values.items())
        payload = tag("notification", content, xmlns=NOTIFICATION)
        return Iq(to, self._host, f"n-{notification.id}", "set", None, payload)

    def settling_seconds(self, session: ISession) -> float:
        """See IFormat."""
        return self._settling

    def fenced(self, session: ISession) -> bool:
        """See IFormat. Clients answer a ping with an error, once they have read what came before it."""
        return self._fence


def fields(element: Element) -> Mapping[str, str]:
    """Return the values of an element's children, by name, without the white space around them."""
    return {child.name: str(child).strip() for child in element.elements()}


def tags_in(text: str) -> list[str]:
    """Return the tags in a list with commas."""
    return [tag for tag in dict.fromkeys(part.strip() for part in text.split(",")) if tag]
