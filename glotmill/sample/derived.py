"""Write the inputs of `template` and `translate`: a quiz with templates, English chats with recorded translations.

Some rows are deliberately bad: at least one for every reason to reject a rendering or a translation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from glotmill.sample.files import chat, write_chats, write_lines

# By subset: the word for a question, the two choices, then questions with the index of the right choice and a reason.
_QUIZ: Final[dict[str, tuple[str, str, list[tuple[str, int, str]]]]] = {
    "sw": (
        "Swali",
        "ndiyo, bila shaka ||| hapana, si kweli",
        [
            ("Je, samaki wanaishi ndani ya maji?", 0, "Samaki hupumua kwa mashavu yao ndani ya maji."),
            ("Je, jua huchomoza upande wa magharibi?", 1, "Jua huchomoza upande wa mashariki kila siku."),
        ],
    ),
    "th": (
        "คำถาม",
        "ใช่ เป็นความจริงแน่นอน ||| ไม่ใช่ ไม่เป็นความจริง",
        [
            ("ปลาอาศัยอยู่ในน้ำใช่ไหม", 0, "ปลาหายใจด้วยเหงือกในน้ำ"),
            ("ดวงอาทิตย์ขึ้นทางทิศตะวันตกใช่ไหม", 1, "ดวงอาทิตย์ขึ้นทางทิศตะวันออกทุกวัน"),
        ],
    ),
    "ar": (
        "سؤال",
        "نعم، هذا صحيح تماما ||| لا، هذا ليس صحيحا",
        [
            ("هل تعيش الأسماك في الماء؟", 0, "تتنفس الأسماك في الماء من خلال خياشيمها."),
            ("هل تشرق الشمس من الغرب؟", 1, "تشرق الشمس من جهة الشرق كل يوم."),
        ],
    ),
}
_TEMPLATES: Final = """dataset: quiz
subset: {subset}
templates:
  0d7ab1c6-0000-4000-8000-000000000001: !Template
    answer_choices: '{choices}'
    id: 0d7ab1c6-0000-4000-8000-000000000001
    jinja: '{word}: {{{{ question }}}} ({{{{ answer_choices | join(" / ") }}}}) ||| {{{{ answer_choices[label] }}}}'
    metadata: !TemplateMetadata
      original_task: true
    name: choose
  0d7ab1c6-0000-4000-8000-000000000002: !Template
    answer_choices: null
    id: 0d7ab1c6-0000-4000-8000-000000000002
    jinja: '{word}: {{{{ question }}}} ||| {{{{ why }}}}{{% if more %}} ||| {{{{ more }}}}{{% endif %}}'
    metadata: !TemplateMetadata
      original_task: false
    name: explain
"""

# English, Spanish. `_LOOP` and `_LOST` are two kinds of mistakes that translation engines make.
_CHATS: Final = [
    ("How do I boil an egg?", "¿Cómo se cuece un huevo?"),
    ("Put it into boiling water for eight minutes.", "Ponlo en agua hirviendo durante ocho minutos."),
    ("Which command shows me the files in a folder?", "¿Qué orden me muestra los archivos de una carpeta?"),
    ("Type {0} and press the enter key.", "Escribe {0} y pulsa la tecla Intro."),
]
_LOOP: Final = ("It is cold because the earth is tilted.", "Hace frío porque la tierra " + "está inclinada " * 20)
_WHY: Final = ("Why is it cold in winter?", "¿Por qué hace frío en invierno?")
_LOST: Final = [("Use {0} for it.", "Úsalo {0} {0}."), ("Use", "Usa {0}"), ("for it.", "para eso.")]
_ROWS: Final = [
    ("en", "How do I boil an egg?", "Put it into boiling water for eight minutes."),
    ("en", "Which command shows me the files in a folder?", "Type `ls -l` and press the enter key."),
    ("en", "Why is it cold in winter?", "It is cold because the earth is tilted."),  # poor_translation
    ("en", "How do I boil an egg?", "Use `egg --boil` for it."),  # lost_structure
    ("en", "How do I boil an egg?", "Nobody has recorded what this is in Spanish."),  # not_translated
    ("es", "¿Qué hora es en este momento?", "Son las tres y media de la tarde."),  # same_language
    ("sw", "Habari za asubuhi, rafiki yangu?", "Nzuri sana, asante kwa kuuliza."),  # no_translator
]


def write_derived(folder: Path) -> dict[str, Path]:
    """Write all of it below `folder` and return the paths of templates, quiz, chats and recorded translations."""
    for subset, (word, choices, questions) in _QUIZ.items():
        path = folder / "templates" / subset / "templates.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_TEMPLATES.format(subset=subset, word=word, choices=choices), "utf-8")
        rows: list[dict[str, Any]] = [
            {"question": question, "label": label, "why": why, "more": ""} for question, label, why in questions
        ]
        write_lines(folder / "quiz" / f"train.{subset}.jsonl", rows)
    swahili = _QUIZ["sw"][2][0][0]
    bad: list[dict[str, Any]] = [
        {"question": swahili, "why": "Ndiyo.", "more": ""},  # template_failed, short_target
        {"question": swahili, "label": 0, "why": "", "more": ""},  # not_applicable
        {"question": swahili, "label": 0, "why": "Ndiyo, maji.", "more": "Hapana."},  # several_targets
    ]
    write_lines(folder / "quiz" / "faults.sw.jsonl", bad)
    untemplated = [{"question": "Ṣé ẹja ń gbé inú omi?", "label": 0}]  # no_template
    write_lines(folder / "quiz" / "faults.yo.jsonl", untemplated)
    pair = {"source_language": "eng_Latn", "target_language": "spa_Latn", "system": "by hand"}
    recorded = [{"source": english, "target": spanish, **pair} for english, spanish in [*_CHATS, _WHY, _LOOP, *_LOST]]
    write_lines(folder / "translations.jsonl", recorded)
    chats = [
        chat(f"to_translate_{number}", language, [(prompt, answer)])
        for number, (language, prompt, answer) in enumerate(_ROWS)
    ]
    write_chats(folder / "to-translate.json", chats)
    names = ("templates", "quiz", "translations.jsonl", "to-translate.json")
    return {name.partition(".")[0]: folder / name for name in names}
