"""Render HTML pages that hold their own style, script and plots, so that they open from disk without a network."""
