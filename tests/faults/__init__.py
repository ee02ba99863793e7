"""Disks that fill, turn read-only or give errors, memory that is refused, clocks that jump: at each call.

    python -m tests.faults                      every fault at every call, of everything: hours
    python -m tests.faults runs --fault full    one of them

What fails must say so in one line, leave nothing half done that is taken for whole, and go on afterwards
to the bytes of what was never disturbed.
"""
