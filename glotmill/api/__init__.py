"""Call the functions of the commands from Python. `import glotmill` gives the public names."""
