"""Two servers that federate over a network which is broken, and are killed: see tests/faults/README.md."""
