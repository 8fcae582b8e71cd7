"""The pictures of the Noto Color Emoji font as a dataset. Start reading at `dataset`, which calls the other modules."""
