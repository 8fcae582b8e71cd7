"""One file for each section: `TITLE` and `build(view) -> Section | None`, which is None without data."""
