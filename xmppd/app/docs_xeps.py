"""The XMPP extensions that are implemented: their names, and what is left out. Data of docs/xeps.md."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CORE", "XEPS"]

#: What the server does without plugins, and in which version.
CORE: Mapping[int, str] = {
    82: "1.1.1", 114: "1.6", 124: "1.11.2", 178: "1.2", 185: "1.0", 198: "1.6.3", 206: "1.4", 220: "1.1.1",
    288: "1.0.1", 368: "1.1.0", 386: "1.1.0", 388: "1.0.4", 440: "1.0.0", 478: "0.2.0",
}  # fmt: skip

#: By number: the name, and what is left out or done otherwise.
XEPS: Mapping[int, tuple[str, str]] = {
    12: ("Last Activity", ""),
    13: (
        "Flexible Offline Message Retrieval",
        "Those who may not see the account's presence are told what is said of accounts that don't exist, not that they"
        " are forbidden to ask.",
    ),
    30: ("Service Discovery", "Accounts have no nodes but those that plugins give them."),
    45: (
        "Multi-User Chat",
        "Rooms pass everything on, and say so, unless an owner says what they pass (`#traffic`). Occupants stay over a"
        " restart of the server, so that nobody is told of one (11.2). Original addresses (XEP-0033) are not in the"
        " history.",
    ),
    49: (
        "Private XML Storage",
        "Data of others: service-unavailable, as if there were no such account. Reserved namespaces are refused.",
    ),
    50: (
        "Ad-Hoc Commands",
        "The server doesn't announce its commands by messages (section 2.3). All its texts are English; the option"
        " `only_english` refuses requests in other languages.",
    ),
    54: ("vcard-temp", "Who has no vCard is told so by item-not-found. The server has none of its own."),
    59: (
        "Result Set Management",
        "For archives and lists of rooms: before, after, index, count. A page of an archive that is not reached from"
        " the first one has no index.",
    ),
    65: (
        "SOCKS5 Bytestreams",
        "The proxy, for TCP; off by default, see [file-transfer.md](file-transfer.md). There is no UDP mode (section"
        " 8). Requesters and targets are clients: what they say to each other passes.",
    ),
    77: (
        "In-Band Registration",
        "Username and password are all that is asked for. There is no key element (obsolete).",
    ),
    78: (
        "Non-SASL Authentication",
        "For clients that can't do better; off by default. No digest, which needs readable passwords, unless an option"
        " says so. The settings say whether a new session takes the place of one with the same resource.",
    ),
    82: ("XMPP Date and Time Profiles", "Dates without a time, and times without a date: nothing here uses them."),
    92: ("Software Version", "The operating system is told only if an option says so."),
    100: (
        "Gateway Interaction",
        "For gateways that are plugins. No agent information (section 4.1, obsolete), and no exchange of roster items"
        " (XEP-0144). What a user filled in is not sent back with an error.",
    ),
    106: ("JID Escaping", "In addresses of people on other networks."),
    114: (
        "Jabber Component Protocol",
        "Accept, on either side; not connect. With STARTTLS for components that say they speak version 1.0, and ports"
        " for direct TLS. A stanza without `to` or `from` ends the stream.",
    ),
    115: (
        "Entity Capabilities",
        "The server tells its own, by SHA-1. It does not strip those of clients (caps optimization, section 8.4).",
    ),
    124: (
        "Bidirectional-streams Over Synchronous HTTP (BOSH)",
        "One stream in a session. Requests and answers are not compressed, and in UTF-8. `route` is ignored.",
    ),
    128: ("Service Discovery Extensions", ""),
    133: (
        "Service Administration",
        "Blacklist and whitelist (4.11, 4.12), welcome messages (4.27, 4.28), editing the list of administrators (4.29)"
        " and restarting (4.30). No e-mail addresses, names, or counts of stanzas and log-ins are kept.",
    ),
    156: (
        "Discovering Alternative XMPP Connection Methods",
        "Of WebSocket and BOSH; other links by an option. No record `_xmppconnect`, which the text took out.",
    ),
    157: ("Contact Addresses for XMPP Services", ""),
    160: ("Best Practices for Handling Offline Messages", ""),
    163: (
        "Personal Eventing Protocol",
        "With what it needs of XEP-0060: no subscriptions but those that presence makes, no affiliations but the owner"
        " (nobody else is on a whitelist), no access model authorize. No reply-to addresses (4.3.1). Last items of"
        " contacts on another host of the server are not sent to a device that comes online.",
    ),
    175: (
        "Best Practices for Use of SASL ANONYMOUS",
        "Off unless a host's `mechanisms` name it. Trace data is not looked at.",
    ),
    178: (
        "Best Practices for Use of SASL EXTERNAL with Certificates",
        "Clients and servers. A client's certificate without an XMPP address lets nobody in.",
    ),
    184: ("Message Delivery Receipts", "Gateways ask for them and send them; between users they are clients' affair."),
    185: ("Dialback Key Generation and Validation", ""),
    191: ("Blocking Command", "There are no privacy lists (XEP-0016)."),
    198: (
        "Stream Management",
        "With clients and servers. An acknowledgement waits until what it covers is on disk, but no longer than the"
        " option `answer_within_seconds`. Either server can resume a stream, as long as none was restarted.",
    ),
    199: ("XMPP Ping", ""),
    202: ("Entity Time", ""),
    203: ("Delayed Delivery", "Stored messages are stamped; presence is not. XEP-0091 stamps are not written."),
    206: ("XMPP Over BOSH", "No SASL EXTERNAL, no channel binding: requests come over several TLS connections."),
    215: (
        "External Service Discovery",
        "Services are those in the settings; credentials are made as TURN servers know how to check them. Who has asked"
        " is told of changes in the settings, not of new credentials before the old ones expire. No extended"
        " information.",
    ),
    220: (
        "Server Dialback",
        "With errors and multiplexing. Who shows a certificate for its domain need not be asked about. An answer that"
        " nobody has asked for is ignored and counted.",
    ),
    237: ("Roster Versioning", ""),
    249: ("Direct MUC Invitations", "They pass from user to user, wait for who is offline, are copied and archived."),
    280: (
        "Message Carbons",
        "An error is copied if the message it answers was, one of the last 30 of the account. What waits for a device"
        " that can take it is copied only to those whose negative priority keeps them from it. Forged copies are"
        " refused.",
    ),
    288: ("Bidirectional Server-to-Server Connections", "Asked for wherever it is offered."),
    297: ("Stanza Forwarding", "As other protocols use it; what clients forward passes as it is."),
    307: ("Unique Room Names for Multi-User Chat", "Only who may create rooms gets one."),
    313: (
        "Message Archive Management",
        "Of users, with `#extended` and `#groupchat-field`: messages of rooms are not in their archives. Rooms have"
        " archives of their own, with `#extended`.",
    ),
    317: (
        "Hats",
        "A hat has a title, a hue and a language, and nothing else in it. Everybody who belongs to the room may list"
        " its hats; who wears them only who may know addresses.",
    ),
    333: ("Displayed Markers", "As the confirmation that a user has opened a notification; others pass."),
    334: (
        "Message Processing Hints",
        "All of them. `no-permanent-store` keeps a message out of archives, but it may wait for who is not there.",
    ),
    352: (
        "Client State Indication",
        "Nothing is thrown away but what is replaced by something newer. The same is done for clients that have lost"
        " their connection.",
    ),
    353: (
        "Jingle Message Initiation",
        "Its messages are archived, copied, and wait for who is away; `ringing` is archived if it has the hint that the"
        " text demands. `propose` and `retract` are pushed at once.",
    ),
    355: (
        "Namespace Delegation",
        "Admin mode alone. A component that does not answer within a minute does not answer.",
    ),
    356: (
        "Privileged Entity",
        "Requests in the name of users get ids of the server's own. Presence of contacts elsewhere from before the"
        " server was started is not known to components until they or their servers send it again.",
    ),
    357: (
        "Push Notifications",
        "The server's part, and a push service of its own, which is off by default; see [push.md](push.md). Of the"
        " summary, `pending-subscription-count` is not told: requests for presence are not pushed. An error of the"
        " kind that passes does not disable anything, see [push.md](push.md). A registration that was disabled is used"
        " again when its app logs in, not after a time.",
    ),
    359: ("Unique and Stable Stanza IDs", "Ids of archives; those that claim to be ours are taken out."),
    363: (
        "HTTP File Upload",
        "What is signed is in the URL, so there are no headers to be sent. S3 answers a put with 200, not 201.",
    ),
    368: ("SRV records for XMPP over TLS", "For clients and servers. `xmppctl check` tells which records are missing."),
    372: ("References", "Mentions decide what is pushed; `begin` and `end` are not looked at."),
    386: (
        "Bind 2",
        "Resources are stable for clients that tell their id. A client that can't get a resource is logged in without,"
        " and told why when it binds one as in RFC 6120. Offline messages that are not in the archive are not cleared,"
        " but sent.",
    ),
    388: (
        "Extensible SASL Profile",
        "Clients only. There are no tasks. It is offered over TLS, and over loopback where `plain_without_tls` allows"
        " it.",
    ),
    410: ("MUC Self-Ping", "Rooms answer themselves (section 3.3)."),
    421: ("Occupant identifiers for semi-anonymous MUCs", "In all rooms."),
    424: ("Message Retraction", "Tombstones in archives, and in the history of rooms."),
    425: ("Moderated Message Retraction", "Tombstones in the archive and the history."),
    431: (
        "Full Text Search in MAM",
        "All words of the query must occur; letters and digits, without accents and case.",
    ),
    432: ("Simple JSON Messaging", "In notifications, and in what is pushed on account of them."),
    433: (
        "Extended Channel Search",
        "For the rooms of the service itself. No least number of users, which is in an example only.",
    ),
    437: (
        "Room Activity Indicators",
        "For rooms of which somebody is a member. Of what was said before they asked, rooms without an archive say"
        " nothing.",
    ),
    440: ("SASL Channel-Binding Type Capability", ""),
    441: (
        "Message Archive Management Preferences",
        "No ad-hoc command for more than that. Of an address in both lists, nothing is archived.",
    ),
    452: (
        "MUC Mention Notifications",
        "For members who have registered a nickname; on, unless a room's owner turns it off. Mentions by nickname count"
        " as well.",
    ),
    463: (
        "MUC Affiliations Versioning",
        "Versions are told to those clients that have asked for them. Who asks for what was before they belonged to the"
        " room gets the whole list, not an error. When somebody becomes a member by entering, others learn the version"
        " when they enter next.",
    ),
    461: ("Message Replies", "An answer to what a user said in a room counts as a mention for push."),
    478: (
        "Stream Limits Advertisement",
        "Clients are told when they have logged in. What another server does not take comes back with"
        " policy-violation.",
    ),
    482: (
        "Call Invites",
        "Its messages are archived, copied, and wait for who is away; in rooms, the rooms archive them.",
    ),
    486: (
        "MUC Avatars",
        "Owners and admins may set them. The hash is in presence from the room as well (section 6), for clients that"
        " look for it there.",
    ),
    487: (
        "Host Meta 2",
        "Once an option names the addresses. Pins of keys are those of the settings: a new key has to be told of long"
        " before it is used. QUIC and WebSockets between servers are not spoken; links to those of others can be told.",
    ),
    488: (
        "MUC Token Invite",
        "Who may invite may issue tokens, not in rooms with a password. Tokens of those who may not any more are not"
        " good.",
    ),
    490: (
        "Message Displayed Synchronization",
        "With server assist: its notifications go to the user's own devices alone, however the node is configured.",
    ),
    492: (
        "Chat Notification Settings",
        "For push, from the bookmarks of XEP-0402. `<advanced/>` is for clients. Apps count as phones, or as the option"
        " `client_type` says.",
    ),
    500: ("MUC Slow Mode", "Of admins and owners nobody waits, whatever their role; all others do."),
    502: ("MUC Activity Indicator", "Of the last 24 hours that are over."),
    513: (
        "Explicit Mentions",
        "For push: individuals and `#channel`, with `noping` and `active`. Other groups mention nobody as far as push"
        " is concerned; permissions of rooms are not looked at, and rooms have none.",
    ),
}
