"""A folder of images as a dataset: `folder:PATH`. `dataset` is the front; the others are its steps."""
