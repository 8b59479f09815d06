"""Mill multilingual sources into one instruction collection in 100+ languages."""

from core import __version__

__all__ = ["__version__"]
