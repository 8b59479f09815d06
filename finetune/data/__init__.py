"""Feed training: examples from token stores, mixed, packed and resumable."""
