"""The ground that every other package stands on: errors, configuration, files, progress. No domain code."""

__version__ = "0.1.0"
