"""Check prose: no words that a reader must translate, no paragraph of Markdown broken by hand. `make lint` runs it."""

from __future__ import annotations

import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("glotmill", "core", "collection", "pipelines", "tokenizer", "finetune", "eval")
FILES = ("*.md", *(f"{name}/**/*" for name in (*PACKAGES, "tests", "docs", "benchmarks", "deploy", "configs")))
WORDS = re.compile(
    r"\b(told|stands|(?-i:is none|are none)|so many|came of|whoever|in turns? with|a blink|by and by|spelt)\b",
    re.IGNORECASE,
)
# A new block of Markdown: a heading, a table, a list, a quotation, a tag or a fence.
BLOCK = re.compile(r"\s*([#|>`<]|```|!\[|[-*+] |\d+\. |$)")
# Paths whose prose is still to be rewritten. Only take entries away.
REMAINING = (
    *("collection/stage.py", "eval/metrics/", "eval/models/", "eval/report/", "eval/suites/", "finetune/"),
    *("pipelines/augment/", "tests/", "tokenizer/", "docs/checkpoints.md", "docs/configuration.md"),
    *("docs/evaluation.md", "docs/generate.md", "docs/results/", "docs/training-data.md"),
)


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines of a file; of Python code, of its comments and strings only."""
    if path.suffix != ".py":
        yield from enumerate(path.read_text("utf-8").splitlines(), 1)
        return
    with open(path, "rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                yield from enumerate(token.string.splitlines(), token.start[0])


def broken_paragraphs(path: Path) -> Iterator[int]:
    """Yield the numbers of the lines of Markdown that continue the paragraph of the line before."""
    fenced, previous = False, ""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif (
            not fenced and previous.strip() and not BLOCK.match(line) and not previous.lstrip().startswith(("#", "```"))
        ):
            yield number
        previous = line


def findings(path: Path) -> Iterator[str]:
    """Yield what is wrong with the prose of a file, as `line: what`."""
    for number, line in prose_of(path):
        if words := WORDS.findall(line):
            yield f"{number}: {', '.join(words)}"
    if path.suffix == ".md":
        yield from (f"{number}: a paragraph is one line" for number in broken_paragraphs(path))


def main() -> None:
    """Print every finding, and exit with status 1 if there is one."""
    paths = sorted(path for pattern in FILES for path in ROOT.glob(pattern) if path.suffix in (".md", ".py", ".toml"))
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    checked = [name for name in names if name != "docs/prose.py" and not name.startswith(REMAINING)]
    found = [f"{name}:{finding}" for name in checked for finding in findings(ROOT / name)]
    if found:
        sys.exit("\n".join([*found, f"{len(found)} findings; docs/prose.py lists the words and rules"]))


if __name__ == "__main__":
    main()
