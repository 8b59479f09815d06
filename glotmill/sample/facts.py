"""Make prompts with answers from CLDR: names of months, days, countries and languages, dates, quantities, numbers.

The prompts are English, as in xP3. The answers are in the language.
"""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from collection.languages import Language, aya_languages, find


@dataclass(frozen=True, slots=True)
class Fact:
    """One prompt with its answer, and the template that made it."""

    template: str
    prompt: str
    answer: str


def languages() -> list[Language]:
    """Return Aya's 101 languages, each as the variety that its bare code means."""
    return [language for code in aya_languages() if (language := find(code)) is not None]


def facts(language: Language, english_name: str) -> Iterator[Fact]:
    """Yield all facts that CLDR has for a language; nothing if CLDR has no data of its own for it."""
    if (locale := _locale(language)) is None:
        return
    chance = random.Random(language.code)
    for template, make in _TEMPLATES.items():
        for prompt, answer in make(locale, english_name, chance):
            # If CLDR has no word, Babel gives its own key. And num2words writes Serbian in Latin letters.
            if language.script.count(answer) and not _KEY.search(answer):
                yield Fact(template, prompt, answer)


def parallel(language: Language) -> dict[str, str]:
    """Return by key lines that mean the same in every language: names of countries, ten a line, months and days."""
    if (locale := _locale(language)) is None:
        return {}
    lines = {"months": _month_names(locale), "days": _day_names(locale)}
    codes = sorted(code for code in _english().territories if len(code) == 2 and code.isalpha())
    for start in range(0, len(codes), 10):
        names = [locale.territories.get(code, "") for code in codes[start : start + 10]]
        if all(names):
            lines[f"countries-{codes[start]}"] = names
    joined = {key: ", ".join(names) for key, names in lines.items()}
    return {key: text for key, text in joined.items() if language.script.count(text)}


def calendar(language: Language) -> list[str]:
    """Return the names of the months and days that CLDR writes in the language's own script."""
    if (locale := _locale(language)) is None:
        return []
    return [name for name in (*_month_names(locale), *_day_names(locale)) if language.script.count(name)]


def _locale(language: Language) -> Any:
    """Return CLDR's data, or None if CLDR has no data of its own for the language."""
    from babel import Locale, UnknownLocaleError

    if language.code in _BORROWED:
        return None
    try:
        return Locale.parse(_LOCALES.get(language.code, language.tag.replace("-", "_")))
    except (UnknownLocaleError, ValueError):
        return None


_KEY: Final = re.compile(r"\b(?:length|mass|duration|volume)-")
# CLDR's Haitian Creole holds only French names.
_BORROWED: Final = ("hat_Latn",)


# Languages that CLDR lists under another name or script than their tag.
_LOCALES: Final = {
    "azj_Latn": "az_Latn",
    "uzn_Latn": "uz_Latn",
    "srp_Cyrl": "sr_Cyrl",
    "pan_Guru": "pa_Guru",
    "zho_Hans": "zh_Hans",
    "snd_Arab": "sd_Arab",
}

Pairs = Iterator[tuple[str, str]]


def _months(locale: Any, name: str, chance: random.Random) -> Pairs:
    yield f"List the twelve months of the year in {name}, from the first to the last.", ", ".join(_month_names(locale))


def _days(locale: Any, name: str, chance: random.Random) -> Pairs:
    yield f"List the days of the week in {name}, beginning with Monday.", ", ".join(_day_names(locale))


def _next_month(locale: Any, name: str, chance: random.Random) -> Pairs:
    months = _month_names(locale)
    for index, month in enumerate(months):
        yield f"In {name}, which month comes after {month}?", months[(index + 1) % 12]


def _next_day(locale: Any, name: str, chance: random.Random) -> Pairs:
    days = _day_names(locale)
    for index, day in enumerate(days):
        yield f"In {name}, which day comes after {day}?", days[(index + 1) % 7]


def _countries(locale: Any, name: str, chance: random.Random) -> Pairs:
    english = _english().territories
    codes = [code for code in locale.territories if len(code) == 2 and code.isalpha() and code in english]
    for code in chance.sample(sorted(codes), min(12, len(codes))):
        yield f"What is {english[code]} called in {name}?", locale.territories[code]


def _language_names(locale: Any, name: str, chance: random.Random) -> Pairs:
    english = _english().languages
    codes = [code for code in locale.languages if code in english and "_" not in code]
    for code in chance.sample(sorted(codes), min(8, len(codes))):
        yield f"How do you say the name of the language {english[code]} in {name}?", locale.languages[code]


def _dates(locale: Any, name: str, chance: random.Random) -> Pairs:
    from babel.dates import format_date

    for _ in range(8):
        day = datetime.date(chance.randint(1950, 2030), chance.randint(1, 12), chance.randint(1, 28))
        yield f"Write the date {day.isoformat()} in full in {name}.", format_date(day, "full", locale=locale)


def _quantities(locale: Any, name: str, chance: random.Random) -> Pairs:
    from babel.units import format_unit

    for unit, english in _UNITS.items():
        number = chance.randint(2, 40)
        yield (
            f"Write the quantity {number} {english} in words of {name}.",
            format_unit(number, unit, "long", locale=locale),
        )


def _numbers(locale: Any, name: str, chance: random.Random) -> Pairs:
    from num2words import CONVERTER_CLASSES, num2words

    if locale.language not in CONVERTER_CLASSES:
        return
    for number in sorted(chance.sample(range(11, 1_000), 8)):
        try:
            words = num2words(number, lang=locale.language)
        except Exception:  # some languages of num2words fail on some numbers, with various errors
            continue
        yield f"Spell out the number {number} in {name}.", words


# Babel's `stand-alone` names are not used: after reading a locale without such names, Babel returns another locale's.
def _month_names(locale: Any) -> list[str]:
    names = locale.months["format"]["wide"]
    return [names[month] for month in range(1, 13)]


def _day_names(locale: Any) -> list[str]:
    names = locale.days["format"]["wide"]
    return [names[day] for day in range(7)]


def _english() -> Any:
    from babel import Locale

    return Locale.parse("en")


_UNITS: Final = {
    "length-kilometer": "kilometres",
    "mass-kilogram": "kilograms",
    "duration-day": "days",
    "duration-hour": "hours",
    "volume-liter": "litres",
}
_TEMPLATES: Final[dict[str, Callable[[Any, str, random.Random], Pairs]]] = {
    "months": _months,
    "days": _days,
    "next_month": _next_month,
    "next_day": _next_day,
    "countries": _countries,
    "language_names": _language_names,
    "dates": _dates,
    "quantities": _quantities,
    "numbers": _numbers,
}
