"""Train: the step, the optimizer, checkpoints, metrics and the run folder."""
