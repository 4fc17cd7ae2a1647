"""Rooms (XEP-0045) under the faults of a round: who is in them, what they see, what they were promised."""
