"""PromptSource's templates: Jinja that makes a prompt and its answer, `|||` between them, of a row of a data set.

A file is YAML as published, `dataset/subset/templates.yaml`, with the tags `!Template` and `!TemplateMetadata`. A
template comes from strangers: nothing here runs it; collection/rendering.py does, in a sandbox.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from collection.languages import Language
from core.errors import MissingDependencyError, SourceError, explain_os_error

SEPARATOR: Final = "|||"
_LARGEST_FILE: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Template:
    """One template. `subset` is the configuration of the data set that it is for, "" for all of them.

    `original_task` is None where its author did not say. `languages` are the author's, in his spelling.
    """

    id: str
    name: str
    dataset: str
    subset: str
    jinja: str
    answer_choices: str = ""
    original_task: bool | None = None
    languages: tuple[str, ...] = ()


def read_templates(file: Path) -> list[Template]:
    """Return the templates of one file, in its order. Raise SourceError if it is not a file of PromptSource."""
    try:
        import yaml
    except ImportError as error:
        raise MissingDependencyError("pyyaml", "augment", "reading templates") from error
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise SourceError(f"{file}: over {_LARGEST_FILE >> 20} MiB, too large for a file of templates")
        values = yaml.load(file.read_bytes(), _loader())
    except OSError as error:
        raise SourceError(explain_os_error(error, f"cannot read {file}")) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        message = " ".join(str(error).split())[:300]
        raise SourceError(f"{file} cannot be read as PromptSource's YAML: {message}") from error
    if not isinstance(values, Mapping) or not isinstance(values.get("templates"), Mapping):
        raise SourceError(f"{file}: expected `dataset:` and `templates:`, as PromptSource has them")
    dataset, subset = str(values.get("dataset") or ""), str(values.get("subset") or "")
    return [_template(file, str(key), entry, dataset, subset) for key, entry in values["templates"].items()]


def find_files(path: Path) -> list[Path]:
    """Return the template files of a path: itself, or every `*.yaml` below it, sorted. Raise SourceError if none."""
    if path.is_file():
        return [path]
    files = sorted(file for suffix in ("*.yaml", "*.yml") for file in path.rglob(suffix))
    if not files:
        raise SourceError(
            f"{path}: no templates there: expected a templates.yaml of PromptSource, or a folder with some below it"
        )
    return files


def _template(file: Path, key: str, values: Any, dataset: str, subset: str) -> Template:
    if not isinstance(values, Mapping) or not isinstance(values.get("jinja"), str) or not values.get("name"):
        raise SourceError(f"{file}: template {key}: expected a `!Template` with `name` and `jinja`")
    entry = values.get("metadata")
    metadata = entry if isinstance(entry, Mapping) else {}
    original, languages = metadata.get("original_task"), metadata.get("languages")
    return Template(
        id=str(values.get("id") or key),
        name=str(values["name"]),
        dataset=dataset,
        subset=subset,
        jinja=values["jinja"],
        answer_choices=str(values.get("answer_choices") or ""),
        original_task=original if isinstance(original, bool) else None,
        languages=tuple(map(str, languages)) if isinstance(languages, list) else (),
    )


@functools.cache
def _loader() -> Any:
    """Return a YAML loader for plain values, which reads the two tags of PromptSource as mappings."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    for tag in ("!Template", "!TemplateMetadata"):
        Loader.add_constructor(tag, lambda loader, node: loader.construct_mapping(node, deep=True))
    return Loader


def similar(templates: Sequence[Template], least: float) -> Iterator[tuple[int, int, float]]:
    """Each template that is nearly identical to an earlier one of its data set: its place, the other's, how alike.

    Alike are the words of both, prompt and answer, as the share that both have in the same order. Aya's reviewers
    dropped such templates.
    """
    kept: dict[tuple[str, str], list[tuple[int, list[str]]]] = {}
    for place, template in enumerate(templates):
        words = _WORD.findall(f"{template.jinja} {template.answer_choices}".casefold())
        others = kept.setdefault((template.dataset, template.subset), [])
        matcher = difflib.SequenceMatcher(None, autojunk=False)
        matcher.set_seq2(words)
        for other, theirs in others:
            matcher.set_seq1(theirs)
            if matcher.real_quick_ratio() >= least and matcher.quick_ratio() >= least:
                alike = matcher.ratio()
                if alike >= least:
                    yield place, other, alike
                    break
        else:
            others.append((place, words))


_WORD: Final = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
# How many letters of English a word has, with the blank behind it: SIB-200's English sentences have 6.0.
_WORD_LENGTH: Final = 6.0


def word_count(text: str, language: Language | None) -> int:
    """How many words a text has: between blanks, or, where the script sets none, as many as English would have."""
    if language is None or language.spaced:
        return len(text.split())
    length = sum(1 for character in text if character.isalnum()) / language.script.density
    return math.ceil(length / _WORD_LENGTH)
