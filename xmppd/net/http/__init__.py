"""The HTTP server and the operator's pages."""
