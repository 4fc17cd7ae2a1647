"""The application: wiring, command line, first start."""
