"""Writing to MLflow and reading from it."""
