"""XMPP over HTTP requests: BOSH (XEP-0124, XEP-0206)."""
