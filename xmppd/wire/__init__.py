"""The protocol without I/O: bytes and values in, bytes and values out.

Nothing here opens a socket, reads a clock, writes a log or imports a reactor, so that every module can be
tested and fuzzed by plain function calls. Other layers may import this one; it imports none of them.
"""
