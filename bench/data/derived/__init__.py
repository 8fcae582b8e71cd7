"""Datasets for image translation that are computed from the images of another dataset. Start reading at `base`."""
