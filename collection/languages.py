"""The languages that glotmill knows: one row each in `languages.tsv`, and every spelling that leads to a row.

A language code is ISO 639-3, an underscore and ISO 15924: `swh_Latn`. A language written in two scripts has two
rows. The table holds Aya's 101 languages, all of FLORES-200, every code of xP3x and of the Aya Collection, and the
labels of the language detectors.

    >>> resolve("Swahili").code, resolve("zh-Hant").code, resolve("iw").code
    ('swh_Latn', 'zho_Hant', 'heb_Hebr')
"""

from __future__ import annotations

import csv
import functools
import re
import unicodedata
from dataclasses import dataclass
from importlib import resources

from collection.scripts import SCRIPTS, Script
from core.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table.

    `aya` is the code among Aya's 101 languages that this row belongs to (Egyptian Arabic belongs to `ara`), and
    `resource` its class there: high, mid or low; both are None outside Aya's languages. `group` names what language
    detectors can be asked to tell apart: varieties of one group are one answer. `macrolanguage` is ISO 639-3's.
    """

    code: str
    name: str
    aya: str | None
    resource: str | None
    group: str
    family: str
    subgroup: str | None
    macrolanguage: str | None
    tag: str
    aliases: tuple[str, ...]

    @property
    def iso639_3(self) -> str:
        return self.code[:3]

    @property
    def script(self) -> Script:
        return SCRIPTS[self.code[4:]]

    @property
    def right_to_left(self) -> bool:
        return self.script.right_to_left

    @property
    def spaced(self) -> bool:
        """Whether words are set apart by spaces in this language's writing."""
        return self.script.spaced

    @property
    def is_default_variety(self) -> bool:
        """Whether a bare ISO 639-3 code means this row, not one of its other scripts."""
        return not re.search(r"-[A-Z][a-z]{3}$", self.tag)

    def __str__(self) -> str:
        return f"{self.code} ({self.name})"


@functools.cache
def table() -> dict[str, Language]:
    """Every language by its code, in the order of the codes."""
    text = resources.files("collection").joinpath("languages.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    languages = (
        Language(
            code=row["code"],
            name=row["name"],
            aya=row["aya"] or None,
            resource=row["resource"] or None,
            group=row["group"],
            family=row["family"],
            subgroup=row["subgroup"] or None,
            macrolanguage=row["macrolanguage"] or None,
            tag=row["tag"],
            aliases=tuple(row["aliases"].split(";")) if row["aliases"] else (),
        )
        for row in rows
    )
    return {language.code: language for language in languages}


def resolve(spelling: str) -> Language:
    """Return the language that a code, tag, name or folder name means; raise UnknownNameError with the nearest names.

    Case, accents, hyphens, underscores and a region (`pt-BR`) make no difference.
    """
    found = find(spelling)
    if found is None:
        names = [name for language in table().values() for name in (language.name, language.code, *language.aliases)]
        advice = "`glotmill languages` lists all codes"
        raise UnknownNameError("language", spelling, names, advice)
    return found


@functools.lru_cache(maxsize=4096)
def find(spelling: str) -> Language | None:
    """As `resolve`, but None for an unknown spelling."""
    languages = table()
    if spelling in languages:
        return languages[spelling]
    spellings = _spellings()
    key = _fold(spelling)
    if key in spellings:
        return languages[spellings[key]]
    # A BCP 47 tag with a region, such as sw-KE or zh-Hans-CN: the region says nothing about the language.
    without_region = re.sub(r"^([a-z]{2,3})((?: [a-z]{4})?) (?:[a-z]{2}|\d{3})$", r"\1\2", key)
    return languages[spellings[without_region]] if without_region in spellings else None


def aya_languages() -> dict[str, tuple[Language, ...]]:
    """Aya's 101 languages: the code that Aya uses, and the rows of the table that belong to it."""
    members: dict[str, list[Language]] = {}
    for language in table().values():
        if language.aya:
            members.setdefault(language.aya, []).append(language)
    return {code: tuple(members[code]) for code in sorted(members)}


def varieties(macrolanguage: str) -> tuple[Language, ...]:
    """Return the rows of a macrolanguage by its ISO 639-3 code, or nothing for another code.

    >>> sorted(language.iso639_3 for language in varieties("nor"))
    ['nno', 'nob']
    """
    return tuple(language for language in table().values() if language.macrolanguage == macrolanguage)


@functools.lru_cache(maxsize=4096)
def in_script(language: Language, script: str) -> Language | None:
    """Return the row for the same language, or its nearest relative in the same group, written in another script."""
    if language.code[4:] == script:
        return language
    same = table().get(f"{language.iso639_3}_{script}")
    if same is not None:
        return same
    return next((row for row in table().values() if row.group == language.group and row.code[4:] == script), None)


def _fold(spelling: str) -> str:
    """Lower case without accents, everything but letters, digits and + turned into single blanks."""
    decomposed = unicodedata.normalize("NFKD", spelling.replace("'", "").replace("’", ""))
    bare = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    return re.sub(r"[^\w+]+|_", " ", bare).strip()


@functools.cache
def _spellings() -> dict[str, str]:
    """Return the code of each folded spelling.

    Codes and tags win over names (`ga` is Irish, not the language Ga), and spellings of the table over derived ones.
    """
    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    made: dict[str, str] = {}
    for language in table().values():
        short = [alias for alias in language.aliases if alias == alias.lower()]
        for spelling in (language.code, language.tag, *short):
            _add(codes, spelling, language)
        for spelling in (language.name, *(alias for alias in language.aliases if alias not in short)):
            _add(names, spelling, language)
    for language in table().values():
        if language.is_default_variety:
            made.setdefault(language.iso639_3, language.code)
        script = language.code[4:].lower()
        for spelling in (language.iso639_3, language.tag.split("-")[0], *language.aliases):
            if re.fullmatch(r"[a-z]{2,3}", spelling):
                made.setdefault(f"{spelling} {script}", language.code)
    return made | names | codes


def _add(spellings: dict[str, str], spelling: str, language: Language) -> None:
    known = spellings.setdefault(_fold(spelling), language.code)
    if known != language.code:
        raise ValueError(f"languages.tsv: {spelling!r} leads to both {known} and {language.code}")
