"""One file a suite: what is asked of a model, and how its answers are scored."""
