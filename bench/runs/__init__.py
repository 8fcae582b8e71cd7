"""One run from start to status: prepare, train, evaluate, record; checkpointing, run lock, health flags."""
