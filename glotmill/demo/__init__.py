"""Run glotmill's commands on the built-in sample, from source files to an evaluated model."""
