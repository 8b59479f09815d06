"""Render pages that need no other file."""
