"""Write collection/lengths.tsv: the length of each language's sentences relative to English, measured on SIB-200.

python benchmarks/lengths.py PATH/TO/sib200
"""

from __future__ import annotations

import math
import statistics
import sys
from pathlib import Path

from collection.languages import find
from core import tables
from core.files import write_text

TARGET = Path(__file__).resolve().parent.parent / "collection" / "lengths.tsv"
# The median distance from the median, times this, is the deviation of a normal distribution.
NORMAL = 1.4826


def main(root: Path) -> None:
    english = sentences(root, "eng_Latn")
    lines = ["language\tratio\tspread"]
    for folder in sorted({path.parent.name for path in root.rglob("*.tsv")}):
        language = find(folder)
        theirs = sentences(root, folder)
        logs = [math.log(len(theirs[key]) / len(english[key])) for key in theirs.keys() & english.keys() if theirs[key]]
        if language is None or language.code == "eng_Latn" or len(logs) < 100:
            continue
        middle = statistics.median(logs)
        spread = NORMAL * statistics.median(abs(one - middle) for one in logs)
        lines.append(f"{language.code}\t{math.exp(middle):.3f}\t{spread:.3f}")
    write_text(TARGET, "\n".join(lines) + "\n")


def sentences(root: Path, folder: str) -> dict[str, str]:
    """Return the sentences of a language by file and number, which are the same in all languages."""
    found = {}
    for path in sorted(root.rglob("*.tsv")):
        if path.parent.name == folder:
            for row in tables.rows(path, "tsv"):
                found[f"{path.name} {row.data['index_id']}"] = row.data["text"]
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
