"""A folder of images as a dataset: `folder:PATH`. Start reading at `dataset`; the other modules are its steps."""
