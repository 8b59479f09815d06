"""Estimate what a command would read, make and cost, before it runs: one file a command."""
