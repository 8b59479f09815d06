"""Define the encoder-decoder, its parameters and how they are laid over a mesh."""
