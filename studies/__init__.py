"""Hyperparameter searches with Optuna, at the same cost for every variant, and the importance of each hyperparameter."""
