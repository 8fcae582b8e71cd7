"""Execution of one run: preparation, training, evaluation and recording, with checkpoints, a run lock and health flags."""
