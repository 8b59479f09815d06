"""Subword tokenizers: trained on collections, fair to every language, reported by language."""
