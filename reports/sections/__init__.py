"""One file a section: `TITLE` and `build(view) -> Section | None`, None where there is no data for it."""
