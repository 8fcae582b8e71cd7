"""Datasets: sources of their files, checksums, and splits as one tensor in memory."""
