"""XMPP over WebSocket (RFC 7395): the door in the HTTP server, and the streams behind it."""
