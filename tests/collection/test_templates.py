"""Files of templates as PromptSource publishes them, and which templates are alike."""

import pytest

from collection.languages import resolve
from collection.templates import Template, find_files, read_templates, similar, word_count
from core.errors import SourceError

PUBLISHED = """
dataset: xcopa
subset: sw
templates:
  068d9f64-564f-49d5-97cc-f16e6e108abe: !Template
    answer_choices: '{{choice1 }} ||| {{choice2}}'
    id: 068d9f64-564f-49d5-97cc-f16e6e108abe
    jinja: '"{{ answer_choices[0] }}" au "{{ answer_choices[1] }}"? {{ premise }}

      ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata
      choices_in_prompt: null
      languages:
      - sw
      metrics:
      - Accuracy
      original_task: true
    name: C1 or C2? premise_swmt
    reference: ''
  33ceed3d-f0cf-4e95-b251-8b3cb99a0fd8: !Template
    answer_choices: null
    jinja: '{{ premise }} ||| {{ choice1 }}'
    name: plain
"""


@pytest.fixture
def file(tmp_path):
    def write(text, name="templates.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    return write


def test_a_published_file_is_read(file):
    first, second = read_templates(file(PUBLISHED))
    assert first == Template(
        id="068d9f64-564f-49d5-97cc-f16e6e108abe",
        name="C1 or C2? premise_swmt",
        dataset="xcopa",
        subset="sw",
        jinja='"{{ answer_choices[0] }}" au "{{ answer_choices[1] }}"? {{ premise }}\n||| {{ answer_choices[label] }}',
        answer_choices="{{choice1 }} ||| {{choice2}}",
        original_task=True,
        languages=("sw",),
    )
    assert (second.id, second.answer_choices, second.original_task) == (
        "33ceed3d-f0cf-4e95-b251-8b3cb99a0fd8",
        "",
        None,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a list",
        "templates: 5",
        "dataset: x\ntemplates:\n  a: !Template\n    name: n\n",
        "dataset: x\ntemplates:\n  a: !!python/object/apply:os.system ['true']\n",
        "dataset: x\ntemplates:\n  a: !Other {jinja: x, name: y}\n",
        "dataset: [\n",
        "\x00",
    ],
)
def test_what_is_no_file_of_templates_is_told_in_one_line(file, text):
    path = file(text)
    with pytest.raises(SourceError, match="templates") as error:
        read_templates(path)
    assert "\n" not in str(error.value)


def test_a_folder_means_all_files_below_it(file, tmp_path):
    for name in ("b/templates.yaml", "a/x/templates.yaml"):
        file(PUBLISHED, name)
    assert [path.parent.name for path in find_files(tmp_path)] == ["x", "b"]
    with pytest.raises(SourceError, match="no templates there"):
        find_files(tmp_path / "nowhere")


def test_every_published_template_can_be_read(shared):
    templates = [one for file in find_files(shared("data/promptsource")) for one in read_templates(file)]
    assert len(templates) > 1_000 and all(one.dataset and one.jinja for one in templates)


def test_nearly_identical_templates_of_one_data_set_are_told():
    def one(jinja, dataset="d"):
        return Template(jinja, jinja, dataset, "", jinja)

    text = "Swali: {{ question }} Jibu swali hili kwa Kiswahili sanifu, tafadhali. ||| {{ answer }}"
    templates = [
        one(text),
        one(text.replace("tafadhali", "Tafadhali ")),
        one(text, "other"),
        one("{{ a }} ||| {{ b }}"),
    ]
    assert [(a, b) for a, b, _ in similar(templates, 0.95)] == [(1, 0)]
    assert list(similar(templates[2:], 0.95)) == []


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Maji yalitiririka kutoka kwenye bomba.", "swh", 5),
        ("yes", "eng", 1),
        ("ใช่", "tha", 1),
        ("น้ำไหลออกจากก๊อก", "tha", 3),
        ("是", "zho", 1),
        ("水从水龙头里流了出来。", "zho", 5),
        ("", "eng", 0),
    ],
)
def test_words_are_counted_with_and_without_blanks(text, language, words):
    assert word_count(text, resolve(language)) == words
