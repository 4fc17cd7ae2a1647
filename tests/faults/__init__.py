"""Real servers under faults: what clients were promised, what broke, and a proof of what they got (`make faults`)."""
