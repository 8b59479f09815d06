"""The built-in sample: small data in the sources' own formats, in all of Aya's languages, made by the project itself.

Facts come from CLDR through Babel and from num2words, other rows are written by hand in `handwritten.tsv`; some rows
and files are deliberately bad. No text of any corpus is in it.
"""

from glotmill.sample.write import write_sample

__all__ = ["write_sample"]
