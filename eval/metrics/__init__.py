"""Compute metrics, their intervals and their signatures."""
