"""All that writes MLflow, and all that reads it."""
