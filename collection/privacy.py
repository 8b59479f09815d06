"""Masks for personal data: e-mail addresses, phone numbers, IP addresses, keys and tokens.

What is found is replaced by `[EMAIL]`, `[PHONE]`, `[IP]` or `[KEY]`. The patterns are cautious: a date, a price, a
version number or an address that everybody shares (127.0.0.1) stays. Digits of every script count as digits.

Each search is behind a cheap look that cannot miss what the search would find (tests/collection/test_privacy.py).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

# Letters of scripts with spaces between words: elsewhere a letter before an address is the end of the word before it.
_SPACED: Final = (
    "A-Za-z0-9\u00c0-\u024f\u0370-\u052f\u0531-\u0587\u05d0-\u05ea\u0620-\u064a\u0660-\u06d3\u0900-\u0dff"
    "\u10a0-\u10ff\u1200-\u137f"
)
_EMAIL: Final = re.compile(
    rf"(?<![{_SPACED}.+-])[{_SPACED}_.+%-]{{1,64}}@(?:[{_SPACED}](?:[{_SPACED}-]{{0,61}}[{_SPACED}])?\.){{1,5}}"
    rf"[{_SPACED}]{{2,24}}(?![{_SPACED}])"  # a hyphen may follow: an ending in Hungarian, Bengali or Georgian
)

_ZERO: Final = "".join(c for c in map(chr, range(0x20000)) if c.isdecimal() and unicodedata.decimal(c) == 0)
# +44 20 7946 0958 · 00 49 30 123456 · (555) 123-4567 · 555-123-4567 · 0712 345 678 · ٠٥٥٥ ١٢٣ ٤٥٦
# Here and below, the first character comes before the lookbehind: so the search goes from
# digit to digit, not from character to character, at a quarter of the time.
_GAP: Final = r"[ .\-\u00a0\u2010-\u2012]"
_PHONE: Final = re.compile(
    rf"""[\d+(](?<![\dA-Za-z_.,/+-].)(?<!\d:.)(?:
        (?:(?<=\+)|(?<=[{_ZERO}])[{_ZERO}]{_GAP}?)(?![{_ZERO}])\d{{1,3}}(?:{_GAP}?\(\d{{1,4}}\))?(?:{_GAP}?\d){{6,12}}
      | (?<=\()\d{{3,4}}\){_GAP}?\d{{3,4}}{_GAP}?\d{{4}}
      | (?<=\d)\d{{2}}[ .\-]\d{{3}}[ .\-]\d{{4}}
      | (?<=[{_ZERO}])\d{{2,4}}(?:{_GAP}\d{{2,4}}){{2,3}}
    )(?![\dA-Za-z_]|[.,:/\-]\d)""",
    re.VERBOSE,
)
_FIVE_DIGITS: Final = re.compile(r"\d[^\w]{0,3}\d[^\w]{0,3}\d[^\w]{0,3}\d[^\w]{0,3}\d")

_IPV4: Final = re.compile(r"[0-9](?<![0-9A-Za-z_.].)[0-9]{0,2}\.(?:[0-9]{1,3}\.){2}[0-9]{1,3}(?![0-9A-Za-z_]|\.[0-9])")
# All hosts on the net are in 2000::/3, behind a prefix of two groups: `x[1::3]` and `A::B` are code.
_IPV6: Final = re.compile(
    r"[23](?<![0-9A-Za-z_:.].)[0-9A-Fa-f]{3}:[0-9A-Fa-f]{1,4}:(?:[0-9A-Fa-f]{0,4}:){0,5}"
    r"(?:[0-9A-Fa-f]{1,4}|(?<=::))(?![0-9A-Za-z_]|:[0-9A-Za-z_:])"
)

_KEY: Final = re.compile(
    r"""-----BEGIN[ ](?:[A-Z]+[ ]){0,3}PRIVATE[ ]KEY-----.*?(?:-----END[ ](?:[A-Z]+[ ]){0,3}PRIVATE[ ]KEY-----|\Z)
      | (?<![A-Za-z0-9_])(?:
            (?:AKIA|ASIA)[0-9A-Z]{16}
          | gh[pousr]_[A-Za-z0-9]{36,255}
          | github_pat_[A-Za-z0-9_]{22,255}
          | sk-[A-Za-z0-9_-]{20,200}
          | [sr]k_(?:live|test)_[A-Za-z0-9]{16,200}
          | xox[abeoprs]-[A-Za-z0-9-]{10,200}
          | AIza[0-9A-Za-z_-]{35}
          | hf_[A-Za-z0-9]{30,60}
          | glpat-[A-Za-z0-9_-]{20,60}
          | npm_[A-Za-z0-9]{36}
          | eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}
        )(?![A-Za-z0-9])""",
    re.VERBOSE | re.DOTALL,
)
# What every key has in it, by a sign that most text is without.
_KEY_MARKS: Final = (
    ("_", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "k_live_", "k_test_", "hf_", "npm_")),
    ("-", ("sk-", "xox", "glpat-", "-----BEGIN ")),
    ("", ("AKIA", "ASIA", "AIza", "eyJ")),
)


def mask(text: str) -> tuple[str, Mapping[str, int]]:
    """`text` with personal data replaced, and how many of each kind there were.

    >>> mask("write to a.b@example.org or call +44 20 7946 0958")
    ('write to [EMAIL] or call [PHONE]', {'EMAIL': 1, 'PHONE': 1})
    """
    found: dict[str, int] = {}
    if "@" in text:
        text = _replaced(text, _EMAIL, "EMAIL", found)
    if _may_hold_key(text):
        text = _replaced(text, _KEY, "KEY", found)
    if text.count(".") >= 3:
        text = _mask_addresses(_IPV4, text, found)
    if _FIVE_DIGITS.search(text):
        text = _replaced(text, _PHONE, "PHONE", found)
    if text.count(":") >= 2:
        text = _mask_addresses(_IPV6, text, found)
    return text, found


def _may_hold_key(text: str) -> bool:
    for sign, marks in _KEY_MARKS:
        if sign in text:
            for mark in marks:
                if mark in text:
                    return True
    return False


def _replaced(text: str, pattern: re.Pattern[str], kind: str, found: dict[str, int]) -> str:
    text, count = pattern.subn(f"[{kind}]", text)
    if count:
        found[kind] = found.get(kind, 0) + count
    return text


def _mask_addresses(pattern: re.Pattern[str], text: str, found: dict[str, int]) -> str:
    def replace(match: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            return match[0]
        # Loopback, private and documentation addresses point at nobody.
        if not address.is_global:
            return match[0]
        found["IP"] = found.get("IP", 0) + 1
        return "[IP]"

    return pattern.sub(replace, text)
