"""The model: an mT5-style encoder-decoder in Flax, its training on a mesh, checkpoints, decoding."""
