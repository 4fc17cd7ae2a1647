"""The bundled plugins, importable as ``xmppd.plugins`` through the symlink ``xmppd/plugins``."""
