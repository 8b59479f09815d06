import pytest

from core.errors import ConfigError, UnknownNameError
from eval.data.sources import Reader, Tree, find_sources
from eval.suites.catalogue import built_in, chosen, read
from eval.suites.table import checked
from eval.task import SUITES, Files, Prompt, Task


def test_every_built_in_task_is_whole_and_says_where_it_is_from():
    tasks = built_in()
    assert len(tasks) >= 30 and {task.suite for task in tasks.values()} == set(SUITES)
    assert all(task.about.endswith(".") and len(task.about) > 30 for task in tasks.values())


@pytest.mark.parametrize(
    ("data", "name", "languages", "code", "rows", "asked"),
    [
        ("tatoeba_v1", "tatoeba", 56, "swh_Latn", 390, "text"),
        ("xquad_r", "xquad_r", 6, "arb_Arab", 1190, "sentence"),
        ("xquad", "xquad_passages", 6, "zho_Hans", 1190, "context"),
        ("sib200", "sib200", 205, "amh_Ethi", 701, "text"),
        ("afrisenti", "afrisenti", 6, "amh_Ethi", 1497, "tweet"),
        ("afriqa", "afriqa", 7, "hau_Latn", None, "context"),
        ("xcopa", "xcopa", 11, "swh_Latn", 100, "premise"),
        ("mgsm", "mgsm", 6, "tha_Thai", 250, "question"),
        ("vicuna80_multilingual", "vicuna80", 12, "deu_Latn", 80, "text"),
        ("sib200", "sib200_to_english", 204, "tha_Thai", 701, "other_text"),
    ],
)
def test_real_data_is_found_and_read(shared, data, name, languages, code, rows, asked):
    task = built_in()[name]
    found = find_sources(task, [Tree.of(str(shared(f"data/{data}")))])
    read_rows = Reader(task).rows(found.sources[code])
    assert len(found.sources) == languages and not found.notes
    assert len(read_rows) == rows or rows is None
    assert sum(bool(row[asked]) for row in read_rows) > 0.9 * len(read_rows)  # some of AfriQA have no passage


def test_every_prompt_of_xcopa_can_be_filled_in_every_language(shared):
    task = built_in()["xcopa"]
    found = find_sources(task, [Tree.of(str(shared("data/xcopa")))])
    for source in found.sources.values():
        for row in Reader(task).rows(source):
            assert all("{" not in task.filled(prompt.text, row) for prompt in task.prompts)


def _task(**more):
    values = {
        "data": Files(("x",), "jsonl"),
        "fields": {"answer": "a"},
        "choices": ("x",),
        "prompts": (Prompt("p", "q"),),
    }
    return Task(name="mine", suite="chat", about="", **{"kind": "choice", **values, **more})


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"fields": {}}, "lack answer"),
        ({"prompts": ()}, "no prompts"),
        ({"choices": ()}, "no choices"),
        ({"data": Files((), "jsonl")}, "names no files"),
        ({"values": {"link": {"cause": "because"}}}, "lacks field"),
        ({"kind": "text", "fields": {"references": "r"}, "metrics": ("blue",)}, "bleu"),
        ({"kind": "text", "fields": {"references": "r"}, "metrics": ("f1",)}, "f1 is not a metric of generated text"),
    ],
)
def test_a_task_that_cannot_be_asked_says_why(more, says):
    with pytest.raises((ConfigError, UnknownNameError), match=says):
        checked(_task(**more))


def test_a_suite_has_its_own_kinds():
    with pytest.raises(ConfigError, match="a rerank task is one of retrieval, not sts"):
        checked(Task("t", "rerank", "sts", "", Files(("x",), "tsv"), {}))


def test_templates_take_fields_and_values_and_leave_other_braces(tmp_path):
    task = _task(values={"link": {"field": "kind", "cause": "porque"}})
    assert task.filled("{premise} {link} {x }", {"premise": "Llueve {n}", "kind": "cause"}) == "Llueve {n} porque {x }"
    with pytest.raises(ConfigError, match="which its rows do not have: kind"):
        task.filled("{premise}", {"kind": "cause"})
    with pytest.raises(ConfigError, match="no text for 'effect'"):
        task.filled("{link}", {"kind": "effect"})


def test_a_task_of_ones_own_is_a_file_and_a_misspelt_key_is_named(tmp_path):
    path = tmp_path / "mine.toml"
    text = """name = "mine"\nsuite = "embed"\nkind = "sts"\nabout = "Mine."
fields = { first = "a", second = "b", score = "c" }\n[data]\nfiles = ["{language}.csv"]\nformat = "csv"\n"""
    path.write_text(text)
    assert read(path).name == "mine" and [task.name for task in chosen(("embed",), (), (path,))][-1] == "mine"
    path.write_text(text.replace("about", "abuot"))
    with pytest.raises(ConfigError, match=r"mine\.toml: unknown configuration key abuot; did you mean about\?"):
        read(path)
    with pytest.raises(ConfigError, match="no configuration file"):
        read(tmp_path / "none.toml")


def test_names_that_are_not_there_are_told_with_the_nearest():
    with pytest.raises(UnknownNameError, match="tatoeba"):
        chosen(("embed",), ("tatoba",))
    with pytest.raises(UnknownNameError, match="rerank"):
        chosen(("reranking",))


def test_patterns_match_the_end_of_a_path_and_a_language_once():
    task = _task(data=Files(("gold/{language}/q.{language}.{any}.{split}.json",), "jsonl", splits=("dev",)))
    pattern = task.pattern(task.data.files[0])
    match = pattern.fullmatch("sets/afriqa/gold/hau/q.hau.en.dev.json")
    assert match and match.groupdict() == {"language": "hau", "split": "dev"}
    assert not pattern.fullmatch("gold/hau/q.ibo.en.dev.json") and not pattern.fullmatch("gold/hau/q.hau.en.train.json")


@pytest.mark.parametrize("name", ["afriqa", "xcopa", "mgsm", "xquad", "xquad_r", "vicuna80_multilingual", "afrisenti"])
def test_every_row_of_every_language_of_the_real_sets_can_be_read(shared, name):
    tree = Tree.of(str(shared(f"data/{name}")))
    read = 0
    for task in built_in().values():
        reader = Reader(task)
        for source in find_sources(task, [tree]).sources.values():
            assert reader.rows(source)
            reader.train_rows(source)
            read += 1
    assert read >= 6
