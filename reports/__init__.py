"""MLflow runs to statistics to HTML and markdown. Reads the tracker, never imports torch."""
