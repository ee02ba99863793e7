"""Protocols that say how far an attribution can be believed, and their reports."""
