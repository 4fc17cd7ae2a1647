"""The rules of rooms (XEP-0045), pure: an act of somebody comes in, stanzas and changes come out.

Nothing in here knows of connections, the database, or what time it is. An act is a function that takes the room, the
stanza and the time; it raises StanzaError before it has changed anything, or changes the room and returns an
:class:`~xmppd.plugins.muc.room.outcome.Outcome`.
"""
