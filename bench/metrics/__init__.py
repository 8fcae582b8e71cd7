"""How generated images are measured: pure functions on images, features and logits, each checked against its definition."""
