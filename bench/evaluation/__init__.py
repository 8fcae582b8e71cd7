"""Sample once, features once, every metric; external samples and generators, reference rows, grids and latent pictures."""
