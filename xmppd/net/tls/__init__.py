"""TLS: certificates, contexts, the transport."""
