"""Nonsense for every route of the server, read from its own table: a new route is tried by itself.

    python -m tests.fuzz --count 5000       as many requests, one after the other

None may end in an error of the server (5xx), or bring a traceback to whoever asked or into the log.
"""
