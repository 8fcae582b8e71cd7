"""The harness: how any variant is trained, measured and recorded."""
