"""androidpn: the wire protocol of its clients, each of its traps, and the old HTTP addresses."""
