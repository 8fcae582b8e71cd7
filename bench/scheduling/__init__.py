"""Suites, scheduler, planner, executor, cluster, messages, progress, signals and time estimate."""
