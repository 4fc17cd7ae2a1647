"""XML namespaces, named after what they are used for. The RFC or XEP that defines each is beside it."""

from __future__ import annotations

# RFC 6120: streams, TLS, SASL, resource binding
XML = "http://www.w3.org/XML/1998/namespace"
STREAM = "http://etherx.jabber.org/streams"
CLIENT = "jabber:client"
SERVER = "jabber:server"
COMPONENT = "jabber:component:accept"  # XEP-0114
DIALBACK = "jabber:server:dialback"  # XEP-0220
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"

SASL2 = "urn:xmpp:sasl:2"  # XEP-0388
BIND2 = "urn:xmpp:bind:0"  # XEP-0386
SASL_CHANNEL_BINDING = "urn:xmpp:sasl-cb:0"  # XEP-0440

DATA_FORMS = "jabber:x:data"  # XEP-0004
PING = "urn:xmpp:ping"  # XEP-0199, by which clients that are silent are looked after
