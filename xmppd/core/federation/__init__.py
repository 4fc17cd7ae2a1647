"""Other servers: what is sent to them and taken from them, whatever carries it (RFC 6120 sections 10 and 4.6)."""
