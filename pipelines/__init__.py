"""Beam jobs that fill a collection. The only package that imports apache_beam."""
