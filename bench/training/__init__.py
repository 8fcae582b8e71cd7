"""The training loop, and its parts: networks, batches, optimizers, EMA, precision and checkpoint files."""
