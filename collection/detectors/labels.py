"""From a detector's labels to our languages: which group a label means, and in which script a text is written."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Final

from collection.languages import Language, find, in_script, table
from collection.scripts import SCRIPTS, dominant_script


@functools.lru_cache(maxsize=8192)
def group_of(label: str) -> str | None:
    """Return the group of the language that a label means, or None for an unknown label."""
    language = find(label)
    return language.group if language else None


def variety_of(language: Language) -> tuple[str, str]:
    """Return what detectors distinguish: the group and the script, with simplified and traditional Han as one."""
    return language.group, _HAN_AS_ONE.get(language.code[4:], language.code[4:])


_HAN_AS_ONE: Final = {"Hant": "Hans", "Hani": "Hans", "Hira": "Jpan", "Kana": "Jpan"}


def varieties_of(labels: Iterable[str]) -> frozenset[tuple[str, str]]:
    """Return the groups and scripts that a detector with these labels can distinguish."""
    return frozenset(variety_of(language) for label in labels if (language := find(label)))


@functools.cache
def groups_in_many_scripts() -> frozenset[str]:
    """Return groups that are written in several scripts, with simplified and traditional Han as one."""
    scripts: dict[str, set[str]] = {}
    for language in table().values():
        scripts.setdefault(language.group, set()).add(variety_of(language)[1])
    return frozenset(group for group, found in scripts.items() if len(found) > 1)


def language_of(label: str, text: str) -> Language | None:
    """Return the language of a label in the script of the text, or None for an unknown label."""
    language = find(label)
    if language is None or language.group not in groups_in_many_scripts():
        return language
    # Most texts are in the script of the label: one count shows it.
    if 2 * language.script.count(text) >= len(text):
        return language
    seen = dominant_script(text)
    if seen == "Hani":
        return language
    return (in_script(language, seen) if seen else None) or language


class OneLanguageScripts:
    """Among some languages, those that have a script to themselves."""

    def __init__(self, languages: Sequence[Language]) -> None:
        groups: dict[str, set[str]] = {}
        by_script: dict[str, Language] = {}
        for language in languages:
            by_script[language.code[4:]] = language
            groups.setdefault(language.code[4:], set()).add(language.group)
            if language.group in groups_in_many_scripts():
                # Written in a second script, too, that no label speaks of: nothing follows from a script.
                groups[language.code[4:]].add("")
        self._only = {
            script: by_script[script] for script, found in groups.items() if len(found) == 1 and script not in _SHARED
        }
        signs = "".join(SCRIPTS[script].characters for script in self._only)
        self._sign = re.compile(f"[{signs}]") if signs else None

    def language(self, text: str) -> Language | None:
        """Return the only language of the script of most of the text, or None if the script has several languages."""
        if self._sign is None or not (found := self._sign.search(text, 0, 32)):
            return None
        language = self._only[dominant_script(found[0]) or ""]
        return language if language.script.count(text) >= 0.7 * len(text) else None


# Scripts of many languages, and those whose characters other scripts use, too.
_SHARED: Final = {"Latn", "Cyrl", "Arab", "Deva", "Hans", "Hant", "Hani", "Jpan", "Hang", "Zyyy"}
