"""Kills workers and the whole command at random moments, and compares every byte that comes in the end."""
