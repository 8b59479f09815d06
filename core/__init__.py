"""Provide what every package uses: errors, configuration, files, locks, tables, remote servers. No domain code."""

__version__ = "0.1.0"
