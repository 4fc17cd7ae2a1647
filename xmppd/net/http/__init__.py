"""The HTTP server, what plugins answer by it, and the operator's pages."""
