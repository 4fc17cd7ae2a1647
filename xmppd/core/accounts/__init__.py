"""Accounts: what is stored of them, what is cached, how they come and go."""
