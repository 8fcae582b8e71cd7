"""Tasks of the datasets, such as generation and translation between domains."""
