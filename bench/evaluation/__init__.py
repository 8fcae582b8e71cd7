"""Evaluation of generators: samples, features and every metric; external samples, reference rows, sample grids and latent pictures."""
