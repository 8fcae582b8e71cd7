"""Suites and their table, planner, executor, cluster, messages, progress, signals and time estimate."""
