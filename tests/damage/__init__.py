"""What may befall a workspace on a disk or in a hand, at random but seeded, and what comes of asking it.

    python -m tests.damage --count 2000      as many damages, one after the other

Each must be refused by name, or have no effect on the answer.
"""
