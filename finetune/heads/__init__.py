"""Train and run embedding and rerank heads on the encoder."""
