"""Hyperparameter searches with Optuna, at the same cost for every variant, and the importance of each hyperparameter."""

from __future__ import annotations

from bench import MovedModules

MOVED = {"studies.final": "studies.final_runs", "studies.opening": "studies.optuna_studies"}  # the new name of each renamed module
MovedModules.answer(MOVED)
