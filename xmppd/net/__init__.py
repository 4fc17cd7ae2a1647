"""The network: Twisted protocols, endpoints and TLS. May import every layer below, and no plugin."""
