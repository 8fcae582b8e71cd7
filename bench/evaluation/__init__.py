"""Evaluation of generated examples: samples, their features, every metric. Also external samples, reference rows and pictures."""
