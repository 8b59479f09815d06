"""Generate text and score answers with a checkpoint."""
