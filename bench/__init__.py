"""Small tools that measure the server from outside; `python -m bench --help` and README.md say how."""
