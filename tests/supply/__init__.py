"""What this project is built from: the locked dependencies, their licences, and what is known against them.

python -m tests.supply licences      write the list in NOTICE anew (or `make licences`)
python -m tests.supply audit         look for known vulnerabilities, where advisories can be reached
"""
