"""Streams with components: those that connect to us, and of ours that connect elsewhere (XEP-0114)."""
