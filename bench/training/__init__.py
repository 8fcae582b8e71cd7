"""The one training loop; building networks, batches, optimizers, EMA, precision and checkpoint files."""
