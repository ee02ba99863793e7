"""Offline jobs: what is computed once for a model and a training set, and read by every query."""
