"""Evaluation of generators: samples, features, metrics, external samples, reference rows, sample grids and latent pictures."""
