"""Streams with other servers (RFC 6120)."""
