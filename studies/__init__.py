"""Optuna sweeps: which numbers a variant wants, and how much that matters, at the same cost for every variant."""
