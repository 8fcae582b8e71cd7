"""Sections of a report. Each file has `TITLE` and `build(view) -> Section | None`, which returns None without data."""
