"""Keeping the word that an acknowledgement gives: what it covers is on disk, and sessions outlive their streams.

:mod:`.ledger` gathers what the handling of stanzas leaves behind and commits it, a batch at a time. :mod:`.managed` is
the part of a session that stream management (XEP-0198) is about. :mod:`.journal` is how sessions are written down, and
:mod:`.restore` brings them back after the server was killed.
"""
