"""Write the built-in sample: small data in the sources' own formats, in all of Aya's languages.

The project made all of it: facts from CLDR through Babel and from num2words, and rows written by hand in
`handwritten.tsv`. Some rows and files are deliberately bad. No text of any corpus is in it.
"""

from glotmill.sample.write import write_sample

__all__ = ["write_sample"]
