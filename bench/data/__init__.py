"""Datasets: where the bytes come from, their checksums, and splits that lie in memory as one tensor."""
