"""Methods of synthesis as data: a TOML file each, with a prompt and the name of a parser."""

from pipelines.augment.methods.method import Method, Select, built_in, load

__all__ = ["Method", "Select", "built_in", "load"]
