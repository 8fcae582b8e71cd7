"""A folder of images as a dataset: `folder:PATH`. Start reading at `dataset`, which calls the other modules."""
