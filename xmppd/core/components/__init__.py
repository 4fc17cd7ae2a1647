"""Components outside of the server (XEP-0114), and services of ours that are components of other servers."""
