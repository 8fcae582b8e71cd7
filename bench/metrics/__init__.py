"""Metrics of generated images: pure functions on images, features and logits, each checked against its definition."""
