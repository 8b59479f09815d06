"""Read and write weights: model folders, Hugging Face, T5X."""
