"""The variants that ganbench compares. A variant is a name for networks, an objective and a recipe."""
