"""Metrics of generated images: pure functions on images, features and logits, each tested against its definition."""
