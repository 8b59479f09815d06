"""The table of languages: all of Aya's and FLORES-200's, and every spelling that leads to a row."""

import os
import re
from pathlib import Path

import pytest

from collection.languages import aya_languages, find, in_script, resolve, table, varieties
from collection.scripts import SCRIPTS
from core.errors import UnknownNameError

SHONA = ("Atlantic-Congo", "Benue-Congo")  # Aya's card calls it Indo-Aryan; it is a Bantu language


@pytest.fixture(scope="module")
def ayas_table(shared):
    """Code, mC4's code, name, script, family, subgroup, class and FLORES codes, as Aya's card and paper have them."""
    lines = shared("reference/aya.md").read_text("utf-8").splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| [a-z]{3} \|", line)
    ]
    rows = [row for row in rows if len(row) == 8]
    assert len(rows) == 101
    return rows


def test_all_of_ayas_languages_stand_in_the_table_with_class_and_family(ayas_table):
    known = aya_languages()
    assert sorted(known) == sorted(row[0] for row in ayas_table)
    for code, _, _, _, family, _, resource, flores in ayas_table:
        members = known[code]
        assert {language.resource for language in members} == {resource.lower()}, code
        assert {language.family for language in members} == {SHONA[0] if code == "sna" else family}, code
        assert set(flores.split()) - {"—"} <= {language.code for language in members}, code


def test_shona_is_a_bantu_language():
    assert (resolve("sna").family, resolve("sna").subgroup) == SHONA


def test_ayas_codes_mc4s_codes_and_ayas_names_lead_to_ayas_languages(ayas_table):
    for code, mc4, name, *_ in ayas_table:
        for spelling in (code, mc4, name):
            if spelling != "—":
                assert resolve(spelling).aya == code, spelling


def test_aya_has_as_many_languages_of_each_class_as_in_its_card():
    classes = [members[0].resource for members in aya_languages().values()]
    assert {name: classes.count(name) for name in ("high", "mid", "low")} == {"high": 24, "mid": 26, "low": 51}


def test_every_code_of_flores_is_its_own_row(shared):
    codes = os.listdir(shared("data/sib200") / "annotated")
    assert len(codes) == 205
    assert [code for code in codes if resolve(code).code != code] == []


@pytest.mark.parametrize("name", ["derived_xp3x", "derived_aya_collection"])
def test_every_folder_of_the_sources_is_named_after_a_known_language(shared, name):
    folders = [path.name for path in Path(shared(f"data/{name}")).iterdir() if path.is_dir()]
    assert folders and [folder for folder in folders if find(folder) is None] == []


@pytest.mark.parametrize(
    ("code", "spellings"),
    [
        (
            "swh_Latn",
            "sw|swa|swh|swh_Latn|SWH_LATN|swh-Latn|swa_Latn|sw-KE|sw_KE|sw-Latn-TZ|Swahili|Kiswahili| swahili ",
        ),
        ("heb_Hebr", "he|iw|heb|heb_Hebr|iw-IL|Hebrew"),
        ("ydd_Hebr", "yi|ji|yid|yid_Hebr|Yiddish|eastern_yiddish"),
        (
            "zho_Hans",
            "zh|zho|chi|cmn|cmn_Hans|zh-Hans|zh-CN|zh_SG|zh-Hans-CN|zho_Hani|simplified_chinese|Chinese|Mandarin",
        ),
        ("zho_Hant", "zh-Hant|zh-TW|zh_HK|zh-Hant-TW|cmn_Hant|zho_Hant|traditional_chinese|Chinese (Traditional)"),
        ("yue_Hant", "yue|Cantonese|yue-Hant-HK|yue_Hani"),
        ("por_Latn", "pt|por|pt-BR|pt_PT|Portuguese|Brazilian Portuguese"),
        ("spa_Latn", "es|es-419|Castilian"),
        ("srp_Cyrl", "sr|srp|sr-Cyrl|sr-RS|sr_Cyrl_RS|scc|Serbian"),
        ("srp_Latn", "sr-Latn|sr_Latn_RS|srp_Latn|Serbian (Latin)"),
        ("hrv_Latn", "hr|hrv|scr|Croatian"),
        ("uzn_Latn", "uz|uzb|uzn|uz-Latn|uz-Latn-UZ|Uzbek|northern_uzbek"),
        ("uzb_Cyrl", "uz-Cyrl|uz-Cyrl-UZ|uzn_Cyrl"),
        ("mri_Latn", "mi|mri|mao|Maori|Māori|MĀORI|Ma\u0304ori"),
        ("acq_Arab", "acq|taizzi_adeni_arabic|Ta'izzi-Adeni Arabic|Ta’izzi-Adeni Arabic"),
        ("arb_Arab", "ar|ara|arb|ara_Arab|ar-EG|Arabic|standard_arabic"),
        ("gle_Latn", "ga|gle|Irish|Ga"),  # the code of Irish wins over the name of the language Ga
        ("gaa_Latn", "gaa|gaa_Latn"),
        ("nob_Latn", "nb|no|nob|nor|nor_Latn|Norwegian|Norwegian Bokmål|norwegian_bokmal"),
        ("nno_Latn", "nn|nno|Nynorsk"),
        ("tgl_Latn", "fil|tl|tgl|fil_Latn|fil-PH|Filipino|Tagalog"),
        ("pes_Arab", "fa|fas|per|pes|fa-IR|Persian|Farsi"),
        ("prs_Arab", "prs|fa-AF|Dari"),
        ("khk_Cyrl", "mn|mon|khk|mon_Cyrl|Mongolian"),
        ("als_Latn", "sq|sqi|alb|als|Albanian"),
        ("kmr_Latn", "ku|kur|Kurdish|Kurmanji"),
        ("ckb_Arab", "ckb|ku-Arab|Sorani|central_kurdish"),
        ("zsm_Latn", "ms|msa|may|Malay"),
        ("ind_Latn", "id|in|ind|in-ID|Bahasa Indonesia"),
        ("ron_Latn", "ro|mo|rum|Moldavian"),
        ("nqo_Nkoo", "nqo|N'Ko|N’Ko|nko"),
        ("twi_Latn", "tw|twi"),
        ("aka_Latn", "ak|aka|Akan"),
        ("zxx_Zyyy", "code|python|jupyter-notebook|c++|C"),
    ],
)
def test_many_spellings_lead_to_one_row(code, spellings):
    assert {spelling: resolve(spelling).code for spelling in spellings.split("|")} == dict.fromkeys(
        spellings.split("|"), code
    )


@pytest.mark.parametrize(
    "spelling", ["", "  ", "und", "xx", "english language", "swh_Arab", "eng_Cyrl", "中文", "\ud800"]
)
def test_an_unknown_spelling_leads_nowhere(spelling):
    assert find(spelling) is None
    with pytest.raises(UnknownNameError, match="glotmill languages"):
        resolve(spelling)


@pytest.mark.parametrize(
    ("spelling", "meant"),
    [("Swahilii", "Swahili"), ("swh_Lat", "swh_Latn"), ("portugese", "Portuguese"), ("zulú1", "Zulu")],
)
def test_a_misspelt_language_is_answered_with_the_nearest_names(spelling, meant):
    with pytest.raises(UnknownNameError) as caught:
        resolve(spelling)
    assert meant in caught.value.nearest
    assert meant in str(caught.value)


def test_everything_in_the_table_leads_to_its_own_row():
    elsewhere = {
        (language.code, spelling, resolve(spelling).code)
        for language in table().values()
        for spelling in (language.code, language.name, language.tag, *language.aliases)
        if resolve(spelling) is not language
    }
    assert elsewhere == {("gaa_Latn", "Ga", "gle_Latn")}  # `ga` is Irish in every standard


def test_an_iso_code_leads_to_the_row_of_its_default_script():
    for language in table().values():
        if language.is_default_variety:
            assert resolve(language.iso639_3) is language


def test_the_table_is_in_order_and_well_formed():
    assert list(table()) == sorted(table())
    for code, language in table().items():
        assert re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", code) and language.code == code
        assert language.code[4:] in SCRIPTS
        assert language.name and language.family and language.tag
        assert (language.aya is None) == (language.resource is None)
        assert language.resource in (None, "high", "mid", "low")
        assert find(language.group), f"{code}: no language is called by the group {language.group}"


def test_varieties_of_one_aya_language_are_one_group():
    for members in aya_languages().values():
        assert len({language.group for language in members}) == 1


def test_arabic_is_a_macrolanguage_with_many_varieties():
    codes = {language.code for language in varieties("ara")}
    flores = "acm_Arab acq_Arab aeb_Arab ajp_Arab apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab"
    assert set(flores.split()) <= codes
    assert all(language.aya == "ara" and language.group == "ara" for language in varieties("ara"))
    assert {language.code for language in varieties("nor")} == {"nno_Latn", "nob_Latn"}
    assert varieties("swh") == ()


@pytest.mark.parametrize(
    ("code", "right_to_left", "spaced"),
    [
        ("arb_Arab", True, True),
        ("heb_Hebr", True, True),
        ("urd_Arab", True, True),
        ("div_Thaa", True, True),
        ("nqo_Nkoo", True, True),
        ("arb_Latn", False, True),
        ("swh_Latn", False, True),
        ("hin_Deva", False, True),
        ("kor_Hang", False, True),
        ("vie_Latn", False, True),
        ("tha_Thai", False, False),
        ("khm_Khmr", False, False),
        ("lao_Laoo", False, False),
        ("mya_Mymr", False, False),
        ("jpn_Jpan", False, False),
        ("zho_Hant", False, False),
        ("bod_Tibt", False, False),
    ],
)
def test_writing_runs_and_is_spaced_as_its_script_is(code, right_to_left, spaced):
    language = resolve(code)
    assert (language.right_to_left, language.spaced) == (right_to_left, spaced)


@pytest.mark.parametrize(
    ("code", "script", "expected"),
    [
        ("srp_Cyrl", "Cyrl", "srp_Cyrl"),
        ("srp_Cyrl", "Latn", "srp_Latn"),
        ("uzn_Latn", "Cyrl", "uzb_Cyrl"),  # a relative of the same group
        ("hin_Deva", "Latn", "hin_Latn"),
        ("zho_Hans", "Hant", "zho_Hant"),
        ("kmr_Latn", "Arab", "ckb_Arab"),
        ("snd_Arab", "Deva", "snd_Deva"),
        ("swh_Latn", "Thai", None),
    ],
)
def test_a_language_can_be_looked_up_in_another_script(code, script, expected):
    found = in_script(resolve(code), script)
    assert (found.code if found else None) == expected


def test_a_language_shows_its_code_and_its_name():
    assert str(resolve("mi")) == "mri_Latn (Maori)"
    assert resolve("mi").iso639_3 == "mri"
