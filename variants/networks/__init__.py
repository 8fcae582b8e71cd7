"""Backbones, registered by name: a pair of networks that fits any wiring."""
