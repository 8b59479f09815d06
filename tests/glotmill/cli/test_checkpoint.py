"""`glotmill checkpoint` and `glotmill generate`, as a user runs them."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file


@pytest.fixture
def weights(shared, tmp_path):
    folder = tmp_path / "t5"
    shutil.copytree(shared("data/golden/t5-tied"), folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    return folder


def last(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_a_model_goes_in_is_shown_and_goes_out_again(glotmill, inside, weights, tmp_path):
    told = last(glotmill("checkpoint", "import", weights, "--out", "model", "--json"))
    assert (told["from"], told["kind"], told["family"]) == ("hugging face", "model", "T5")
    assert told["parameters"] == {"embedding": 32768, "encoder": 65984, "decoder": 98880, "head": 0, "all": 197632}
    shown = inside("checkpoint", "show", "model")
    assert shown.returncode == 0 and "197,632" in shown.stdout and "decoder layers  2" in shown.stdout
    again = inside("checkpoint", "import", weights, "--out", "model")
    assert again.returncode == 2 and again.stderr == (
        "error: model holds a model already: choose another --out, or replace it with --fresh\n"
    )
    assert last(inside("checkpoint", "export", "model", "--format", "t5x", "--out", "t5x", "--json"))["files"]
    assert last(inside("checkpoint", "import", "t5x", "--out", "back", "--json"))["from"] == "t5x"
    inside("checkpoint", "export", "back", "--format", "hugging-face", "--out", "hf")
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path / "hf", weights))
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_check_says_whether_the_model_computes_what_it_should(inside, weights):
    good = last(inside("checkpoint", "check", weights, "--json"))
    assert good["holds"] and len(good["comparisons"]) == 5
    tensors = load_file(weights / "model.safetensors")
    tensors["shared.weight"][7] += 0.1
    save_file(tensors, weights / "model.safetensors")
    bad = inside("checkpoint", "check", weights)
    assert bad.returncode == 1 and "DIFFERS" in bad.stdout
    assert "the model does not compute what it should: " in bad.stdout


def test_a_model_answers(glotmill, inside, tmp_path, small_tokenizer):
    from finetune.checkpoints import model_folder
    from finetune.model import parameters
    from finetune.model.architecture import architecture

    shape, chance = architecture("tiny", 384), np.random.default_rng(0)
    leaves = {name: chance.normal(0, 0.1, size) for name, size in parameters.shapes(shape).items()}
    model_folder.save(tmp_path / "model", shape, parameters.nested(leaves), tokenizer=small_tokenizer)
    options = ("generate", "--checkpoint", "model", "--max-tokens", 5)

    lines = glotmill(*options, "--max-input", 8, "--json", stdin=f"habari\n\n{'nzuri 你好 ' * 9}\n")
    assert lines.returncode == 0 and "note: 1 of 3 prompts lost their end" in lines.stderr
    answers = [json.loads(line) for line in lines.stdout.splitlines()]
    assert [answer["prompt"][:6] for answer in answers] == ["habari", "", "nzuri "]
    assert [answer["truncated"] for answer in answers] == [False, False, True]
    assert all(0 < answer["tokens"] <= 5 and answer["finish_reason"] in ("eos", "length") for answer in answers)

    one = inside(*options, "--prompt", "habari")
    assert one.returncode == 0 and one.stdout == answers[0]["text"] + "\n"
    read = inside(*options, "--input-json", stdin='{"prompt": "habari"}\n{"promt": "x"}\n')
    assert read.returncode == 2 and "line 2 of standard input: expected an object" in read.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("checkpoint", "show", "nowhere"), "error: there is no checkpoint at nowhere"),
        (("checkpoint", "export", "x", "--format", "hugingface", "--out", "y"), "the nearest are hugging-face"),
        (("checkpoint", "show", "x", "--step", "lst"), "error: --step 'lst': expected a number, best or last"),
        (("generate", "-c", "x", "-p", "hi", "--dtype", "float16"), "outgrow its range"),
        (("generate", "-c", "x", "-p", "hi", "--early-stopping", "yes"), "expected false, true or never"),
        (("generate", "-c", "x", "-p", "hi", "--early-stopping", "true"), "early_stopping is for beams"),
        (("generate", "-c", "x", "-p", "hi", "--input-json"), "give one of them"),
    ],
)
def test_mistakes_are_told_in_one_line(inside, arguments, told):
    result = inside(*arguments)
    assert result.returncode == 2 and told in result.stderr and len(result.stderr.splitlines()) == 1
