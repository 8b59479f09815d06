"""The `glotmill` command. It parses, calls and prints; it decides nothing."""
