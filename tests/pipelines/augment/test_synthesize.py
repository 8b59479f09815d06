"""Synthesis end to end: real rows, a real server in a process of its own, every outcome accounted for."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from collection import store
from collection.manifest import Manifest
from collection.preferences import preferences
from collection.reject import Reason
from collection.validate import problems
from core.config import build
from core.errors import ConfigError, OutputError, SourceError, UnknownNameError, UserError
from core.remote import Budget
from pipelines import runner
from pipelines.augment.synthesize import SynthesizeConfig, synthesize
from pipelines.build.job import BuildConfig
from pipelines.build.job import build as make_collection
from pipelines.plan.synthesize import of_synthesis

# A question in each language, and a longer answer in it than language ID needs.
WORDS = {
    "eng_Latn": (
        "Why is the sky blue, {}?",
        "Light from the sun is made of all colours, and the air scatters the blue part of it more than the red, so blue comes to us from everywhere.",
    ),
    "arb_Arab": (
        "لماذا السماء زرقاء يا {}؟",
        "ضوء الشمس يتكون من كل الألوان، والهواء يبعثر الجزء الأزرق منه أكثر من الأحمر، لذلك يأتي إلينا اللون الأزرق من كل مكان في السماء.",
    ),
    "tha_Thai": (
        "ทำไมท้องฟ้าเป็นสีฟ้า {}",
        "แสงจากดวงอาทิตย์ประกอบด้วยทุกสี และอากาศกระจายแสงสีฟ้ามากกว่าสีแดง ดังนั้นสีฟ้าจึงมาถึงเราจากทุกทิศทุกทาง",
    ),
    "hin_Deva": (
        "आसमान नीला क्यों है, {}?",
        "सूरज की रोशनी सभी रंगों से बनी होती है, और हवा उसके नीले हिस्से को लाल से ज़्यादा बिखेरती है, इसलिए नीला रंग हमें हर तरफ़ से दिखता है।",
    ),
    "srp_Cyrl": (
        "Зашто је небо плаво, {}?",
        "Светлост са сунца се састоји од свих боја, а ваздух расипа плави део више него црвени, па нам плава боја долази са свих страна.",
    ),
    "zho_Hans": (
        "天空为什么是蓝色的，{}？",
        "太阳光由各种颜色组成，空气对蓝光的散射比对红光强得多，所以蓝色的光从四面八方来到我们的眼睛里。",
    ),
}
NAMES = ("Amina", "Bao", "Chidi", "Dara", "Emre", "Fatou")


def rows_of(count, languages=tuple(WORDS)):
    """(language, question, curt answer), each question another one."""
    return [
        (code, WORDS[code][0].format(f"{NAMES[n % len(NAMES)]} {n}"), f"{WORDS[code][1][:30]} {n}")
        for n, code in ((n, languages[n % len(languages)]) for n in range(count))
    ]


def answers_of(languages=tuple(WORDS)):
    """What the teacher says to a question in each language: by words that stand in it."""
    return {WORDS[code][0].split("{")[0].strip(): WORDS[code][1] for code in languages}


@pytest.fixture
def made(tmp_path, teacher):
    """Runs a method on folders with the teacher; the manifest. Options with two underscores are keys of sections."""

    def make(inputs, method, *, out="out", kind="openai", budget="", fresh=False, **options):
        values = {"method": str(method), "run": {"mode": "in_memory"}}
        options.setdefault("generators", [{"spec": f"http:{teacher.url_of(kind)}", "kind": kind, "model": "m"}])
        values["remote"] = {"backoff": 0.02, "timeout": 1, **options.pop("remote", {})}
        config = build(SynthesizeConfig, {**values, **options})
        return synthesize(inputs, config, tmp_path / out, budget=Budget.parse(budget), fresh=fresh)

    return make


def rejects(folder):
    return list(store.rejects(folder))


def test_questions_are_answered_anew(made, teacher, stage_of, tmp_path):
    teacher.behave(answers=answers_of())
    given = stage_of(
        [
            *rows_of(12, ("eng_Latn",)),
            (
                "eng_Latn",
                [
                    ("system", "Be brief."),
                    ("user", "What is a day?"),
                    ("assistant", "24 hours."),
                    ("user", "And a week?"),
                    ("assistant", "Seven days."),
                ],
            ),
            ("eng_Latn", "Look at https://example.org/page and say why the sky is blue.", "Because."),
            ("eng_Latn", "word " * 3000, "A long one."),
            (
                "eng_Latn",
                "Pourquoi le ciel est-il bleu quand le soleil brille, et pourquoi devient-il rouge le soir venu ?",
                "The sky is blue because of the air.",
            ),
            (
                "eng_Latn",
                "Translate 太阳光由各种颜色组成，空气对蓝光的散射比对红光强得多 into English.",
                "Sunlight is made of colours.",
            ),
            *rows_of(4, ("arb_Arab", "tha_Thai")),
        ],
        license="CC-BY-4.0",
    )
    manifest = made([given], "regenerate")
    assert manifest.rejected == {
        "link_in_prompt": 1,
        "too_long": 1,
        "unwanted_language": 6,
    }
    assert (manifest.rows_in, manifest.rows_out) == (21, 13)
    assert list(problems(tmp_path / "out")) == []
    parents = {one.id: one for one in store.records(given)}
    for row in store.records(tmp_path / "out"):
        parent = parents[row.parent_id]
        assert (row.origin, row.generator, row.template) == ("synthetic", "m-0613", "regenerate")
        assert (row.license, row.source, row.language) == ("CC-BY-4.0", "chats", "eng_Latn")
        assert row.id != parent.id and row.target != parent.target
    chat = next(row for row in store.records(tmp_path / "out") if row.messages[0].role == "system")
    # What came after the first answer was said to an answer that is gone.
    assert [(turn.role, turn.content) for turn in chat.messages[:2]] == [
        ("system", "Be brief."),
        ("user", "What is a day?"),
    ]
    assert len(chat.messages) == 3
    assert teacher.counts["requests"] == 13
    assert manifest.usage["requests"] == 13 == manifest.usage["answers"]
    assert (manifest.usage["input_tokens"], manifest.usage["output_tokens"]) == (130, 260)


def test_a_build_takes_it_and_its_card_shows_the_origin(made, teacher, stage_of, tmp_path):
    teacher.behave(answers=answers_of())
    given = stage_of(rows_of(12))
    made([given], "distill-safety")
    make_collection([given, tmp_path / "out"], BuildConfig(), tmp_path / "built")
    assert list(problems(tmp_path / "built")) == []
    assert "| chats | synthetic | unknown | 1" in (tmp_path / "built/README.md").read_text("utf-8")


@pytest.mark.parametrize("code", WORDS)
def test_rows_stay_in_their_language(code, made, teacher, stage_of, tmp_path):
    others = [other for other in WORDS if other != code]
    rows = rows_of(4, (code,))
    # Two are answered in another language, whatever the script.
    strange = {rows[n][1]: WORDS[others[n]][1] for n in range(2)}
    teacher.behave(answers={**strange, **answers_of((code,))})
    manifest = made([stage_of(rows)], "distill-safety")
    found = list(store.records(tmp_path / "out"))
    assert [row.language for row in found] == [code] * 2
    assert {row.lid_language for row in found} == {code}
    assert sum(manifest.rejected.values()) == 2
    assert set(manifest.rejected) <= {"wrong_language", "wrong_script"}


def test_another_language_can_be_asked_for(made, teacher, stage_of, tmp_path):
    teacher.behave(answers={"sky": WORDS["hin_Deva"][1]})
    manifest = made([stage_of(rows_of(3, ("eng_Latn",)))], "distill-safety", language="hindi")
    assert manifest.rows_out == 3
    assert {row.language for row in store.records(tmp_path / "out")} == {"hin_Deva"}
    teacher.behave(answers=answers_of())
    manifest = made([stage_of(rows_of(3, ("eng_Latn",)))], "distill-safety", language="hindi", out="out2")
    assert manifest.rejected == {"wrong_script": 3}
    assert {line["language"] for line in rejects(tmp_path / "out2")} == {"hin_Deva"}


def test_curt_answers_are_rewritten(made, teacher, stage_of, tmp_path):
    rows = rows_of(6)
    texts = {
        question: f"Here it is: <result>\n{WORDS[code][1]}\n</result> I hope it helps." for code, question, _ in rows
    }
    texts[rows[1][1]] = WORDS["arb_Arab"][1]  # without the tags
    texts[rows[2][1]] = f"<result>{rows[2][2]}</result>"  # no change
    teacher.behave(answers=texts)
    manifest = made([stage_of(rows)], "rewrite")
    assert manifest.rejected == {"malformed_answer": 1, "unchanged_answer": 1}
    for row, (code, question, _) in zip(store.records(tmp_path / "out"), [rows[0], *rows[3:]], strict=True):
        assert (row.prompt, row.target) == (question, WORDS[code][1])
    asked = next(text for text in teacher.counts["by_content"] if rows[0][1] in text)
    assert rows[0][2] in asked and "English" in asked


def test_instructions_are_written_for_texts(made, teacher, stage_of, tmp_path):
    rows = [(code, "{answer} {prompt}", WORDS[code][1]) for code in WORDS]
    teacher.behave(answers={WORDS[code][1]: f"<result>{WORDS[code][0].format('?')}</result>" for code in WORDS})
    manifest = made([stage_of(rows)], "reverse")
    assert manifest.rows_out == 6
    for row, (code, _, text) in zip(store.records(tmp_path / "out"), rows, strict=True):
        assert [(turn.role, turn.content) for turn in row.messages] == [
            ("user", WORDS[code][0].format("?")),
            ("assistant", text),
        ]


def test_a_preamble_is_sent_and_not_stored(made, teacher, stage_of, tmp_path):
    refusal = "I'm sorry, but I can't help with that, since it could hurt people; talk to somebody you trust."
    teacher.behave(answers={"sky": refusal})
    given = stage_of(rows_of(2, ("eng_Latn",)))
    manifest = made([given], "distill-safety")
    assert manifest.rows_out == 2
    assert [row.target for row in store.records(tmp_path / "out")] == [refusal] * 2
    assert all("harm" not in turn.content for row in store.records(tmp_path / "out") for turn in row.messages)
    manifest = made([given], "regenerate", out="other")
    assert manifest.rejected == {"refusal": 2}


def test_cut_and_odd_endings_are_not_kept(made, teacher, stage_of):
    given = stage_of(rows_of(2, ("eng_Latn",)))
    for number, (kind, reason, counted) in enumerate(
        [
            ("openai", "length", "cut_answer"),
            ("cohere", "MAX_TOKENS", "cut_answer"),
            ("openai", "content_filter", "refusal"),
            ("cohere", "TOOL_CALL", "malformed_answer"),
        ]
    ):
        teacher.behave(finish_reason=reason)
        assert made([given], "regenerate", kind=kind, out=f"out{number}").rejected == {counted: 2}


def write_recording(path, texts, model):
    lines = [{"prompt": prompt, "text": text, "model": model} for prompt, text in texts.items()]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return {"spec": f"replay:{path}"}


def test_several_answer_and_one_is_chosen(made, stage_of, tmp_path):
    rows = rows_of(6)
    good = {question: WORDS[code][1] for code, question, _ in rows}
    like = {question: f"{text} {text[:20]}" for question, text in good.items()}
    bad = {question: text[len(text) // 2 :] + text[:10].strip() for question, text in good.items()}
    del bad[rows[0][1]]
    given = stage_of(rows)
    recordings = [
        write_recording(tmp_path / f"{name}.jsonl", texts, name)
        for name, texts in (("bad", bad), ("good", good), ("like", like))
    ]
    manifest = made([given], "arbitrate", generators=recordings)
    assert (manifest.rows_in, manifest.rows_out) == (18, 6)
    assert manifest.rejected["unanswered"] == 1
    assert sum(manifest.rejected.values()) == 12
    assert manifest.usage == {} and not (tmp_path / "out/answers").exists()
    assert list(problems(tmp_path / "out")) == []
    chosen = {row.id: row for row in store.records(tmp_path / "out")}
    assert {row.generator for row in chosen.values()} <= {"good", "like"}
    pairs = [pair.to_json() for pair in preferences(tmp_path / "out")]
    assert len(pairs) == manifest.rejected["not_chosen"]
    for pair in pairs:
        row = chosen[pair["id"]]
        assert pair["prompt"] == [{"role": "user", "content": row.prompt}]
        assert pair["chosen"] == [{"role": "assistant", "content": row.target}]
        loser = {"bad": bad, "good": good, "like": like}[pair["rejected_model"]]
        assert pair["rejected"] == [{"role": "assistant", "content": loser[row.prompt]}]


def test_a_judge_chooses(made, teacher, stage_of, tmp_path):
    rows = rows_of(12)
    texts = [{question: f"{WORDS[code][1]} {mark}" for code, question, _ in rows} for mark in ("①", "②")]
    recordings = [write_recording(tmp_path / f"{n}.jsonl", one, f"model {n}") for n, one in enumerate(texts)]
    teacher.behave(answers={"several answers to it": "Both are fine. <result>A</result>"})
    judge = {"spec": f"http:{teacher.url}/v1", "model": "judge"}
    options = {"generators": recordings, "scorer": "judge", "judge": judge}
    manifest = made([stage_of(rows)], "arbitrate", **options)
    assert (manifest.rows_out, manifest.rejected) == (12, {"not_chosen": 12})
    # The first place is not always the same teacher's.
    assert {row.generator for row in store.records(tmp_path / "out")} == {"model 0", "model 1"}
    assert manifest.usage["requests"] == 12
    teacher.behave(answers={"several answers to it": "I cannot decide."})
    manifest = made([stage_of(rows)], "arbitrate", out="out2", **options)
    assert manifest.rejected == {"malformed_answer": 24}
    teacher.behave(answers={"several answers to it": "B"})
    manifest = made([stage_of(rows)], "arbitrate", out="out3", budget="requests=5", **options)
    assert (manifest.rows_out, manifest.rejected) == (5, {"over_budget": 14, "not_chosen": 5})
    assert made([stage_of(rows)], "arbitrate", out="out3", budget="requests=50", **options).rows_out == 12


MISDEEDS = [
    "429",
    "429-seconds",
    "429-date",
    "500",
    "503",
    "hang",
    "cut",
    "cut-chunked",
    "garbage",
    "no-json",
    "empty-json",
    "nonsense",
]


@pytest.mark.parametrize("kind", ["cohere", pytest.param("openai", marks=pytest.mark.slow)])
def test_a_thousand_rows_go_through_a_server_that_misbehaves(kind, made, teacher, stage_of, tmp_path):
    """Of every ten requests one fails, each in another way, a twentieth of the answers is in the wrong language; four
    seconds are patience enough for a server that hangs for twenty."""
    rows = rows_of(1000)
    strange = {
        f"{NAMES[n % len(NAMES)]} {n}{end}": WORDS["eng_Latn"][1]
        for n in range(1, 1000, 20)
        for end in ("؟", "?", "？")
    }
    teacher.behave(
        answers={**strange, **answers_of()}, faults=[*MISDEEDS, "always:400"], one_in=10, hang=20, retry_after=1
    )
    remote = {"timeout": 4, "concurrency": 32, "retries": 8}
    manifest = made([stage_of(rows)], "distill-safety", kind=kind, remote=remote)
    counts, usage = teacher.counts, manifest.usage
    assert manifest.rows_in == 1000 == manifest.rows_out + manifest.rows_rejected
    assert list(problems(tmp_path / "out")) == []
    assert set(manifest.rejected) <= {"unanswered", "wrong_language", "wrong_script"}
    assert len({row.parent_id for row in store.records(tmp_path / "out")}) == manifest.rows_out
    # Every content was answered once, or refused for good; never answered twice.
    assert manifest.rejected["unanswered"] == 1000 - len(counts["answered"])
    assert set(counts["answered"].values()) == {1}
    assert counts["requests"] == usage["requests"] == usage["answers"] + sum(usage["failures"].values())
    assert (
        usage["answers"]
        == len(counts["answered"])
        == manifest.rows_out + manifest.rows_rejected - manifest.rejected["unanswered"]
    )
    assert usage["failures"]["status_400"] == manifest.rejected["unanswered"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (10 * usage["answers"], 20 * usage["answers"])
    assert {"timeout", "broken_answer", "status_429", "status_500", "status_503"} <= usage["failures"].keys()
    again = made([stage_of(rows)], "distill-safety", kind=kind, remote=remote, fresh=True)
    assert again.rejected == manifest.rejected
    # What has an answer is not asked for again; what had none is.
    assert again.usage["requests"] == manifest.rejected["unanswered"] == teacher.counts["requests"] - counts["requests"]


COMMAND = "synthesize --input in --method distill-safety --generator http:{url}#m --set remote.concurrency=4 --set remote.backoff=0.02 --set rows_a_piece=50 --json --out out"


def test_a_killed_run_asks_only_for_what_is_missing(teacher, stage_of, tmp_path):
    stage_of(rows_of(300))
    teacher.behave(answers=answers_of(), latency=0.02, faults=["500", "cut"], one_in=10)
    words = COMMAND.format(url=f"{teacher.url}/v1").split()
    command = [os.path.join(os.path.dirname(sys.executable), "glotmill"), *words]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while teacher.counts["requests"] < 140 and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = teacher.counts["answered"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["rows_in"], told["rows_out"]) == (300, 300)
    counts, manifest = teacher.counts, Manifest.read(tmp_path / "out")
    assert list(problems(tmp_path / "out")) == []
    # An answer that was on its way when the process died is asked for again: one a thread at most.
    twice = [content for content, count in counts["answered"].items() if count > 1]
    assert 100 < len(before) < 300 == len(counts["answered"])
    assert len(twice) <= 4 and max(counts["answered"].values()) <= 2
    lost = manifest.usage["requests"] - manifest.usage["answers"] - sum(manifest.usage["failures"].values())
    assert 0 <= lost <= 4
    assert manifest.usage["requests"] >= counts["requests"]


def test_a_spent_budget_keeps_what_is_done(made, teacher, stage_of, tmp_path):
    teacher.behave(answers=answers_of())
    given = stage_of(rows_of(60))
    manifest = made([given], "distill-safety", budget="requests=25", rows_a_piece=20)
    assert (manifest.rows_out, manifest.rejected) == (25, {"over_budget": 35})
    assert "budget was spent before 35 rows" in manifest.notes[0]
    assert list(problems(tmp_path / "out")) == []
    assert made([given], "distill-safety", budget="requests=25", rows_a_piece=20).rows_out == 25
    manifest = made([given], "distill-safety", budget="requests=70", rows_a_piece=20)
    assert (manifest.rows_out, manifest.rejected) == (60, {})
    assert manifest.usage["requests"] == 60 == teacher.counts["requests"]
    assert list(problems(tmp_path / "out")) == []


def test_more_budget_cut_short_leaves_no_folder_that_says_it_is_whole(made, teacher, stage_of, tmp_path, monkeypatch):
    teacher.behave(answers=answers_of())
    given = stage_of(rows_of(30))
    made([given], "distill-safety", budget="requests=5", rows_a_piece=10)
    run = runner.run

    def killed(*arguments):
        run(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        made([given], "distill-safety", budget="requests=100", rows_a_piece=10)
    monkeypatch.setattr(runner, "run", run)
    assert not (tmp_path / "out/manifest.json").exists()
    manifest = made([given], "distill-safety", budget="requests=100", rows_a_piece=10)
    assert (manifest.rows_out, manifest.usage["requests"]) == (30, 30) and list(problems(tmp_path / "out")) == []


def test_pieces_of_no_rows_are_an_error(made, stage_of):
    with pytest.raises(ConfigError, match="rows_a_piece is 0: expected 1 or more"):
        made([stage_of(rows_of(1))], "distill-safety", rows_a_piece=0)


def test_a_judge_with_nothing_to_choose_from_is_an_error(made, teacher, stage_of):
    with pytest.raises(ConfigError, match="nothing to choose from"):
        made([stage_of(rows_of(1))], "regenerate", judge={"spec": f"http:{teacher.url}/v1", "model": "m"})


def test_an_input_given_twice_is_an_error(made, stage_of):
    given = stage_of(rows_of(1))
    with pytest.raises(ConfigError, match="was given twice"):
        made([given, given / ".." / given.name], "distill-safety")


def test_a_finished_run_is_left_alone_and_another_is_refused(made, teacher, stage_of, tmp_path):
    teacher.behave(answers=answers_of())
    given = stage_of(rows_of(6))
    first = made([given], "distill-safety")
    # Patience, prices and keys make no other run.
    account = {"usd_per_million": {"input": 1.0}}
    same = [{"spec": f"http:{teacher.url}/v1", "kind": "openai", "model": "m", "account": account}]
    assert made([given], "distill-safety", generators=same, remote={"retries": 1}).usage == first.usage
    with pytest.raises(OutputError, match="another run"):
        made([given], "reverse")
    stranger = tmp_path / "mine"
    stranger.mkdir()
    (stranger / "thesis.txt").write_text("do not touch")
    with pytest.raises(OutputError, match="other files"):
        made([given], "distill-safety", out="mine")
    assert {path.name for path in stranger.iterdir()} - {".lock"} == {"thesis.txt"}
    assert made([given], "distill-safety", fresh=True).rows_out == 6
    assert teacher.counts["requests"] == 6


def test_a_method_of_ones_own(made, teacher, stage_of, tmp_path):
    file = tmp_path / "haiku.toml"
    file.write_text(
        'base = "rewrite"\nabout = "a haiku"\nprompt = "In {language}, as a haiku: {answer}"\nparser = "whole"\n'
    )
    teacher.behave(answers={"haiku": WORDS["eng_Latn"][1]})
    made([stage_of(rows_of(2, ("eng_Latn",)))], file)
    assert {row.template for row in store.records(tmp_path / "out")} == {"haiku"}
    assert next(iter(teacher.counts["by_content"])).startswith("In English, as a haiku: Light")
    manifest = Manifest.read(tmp_path / "out")
    assert manifest.config["synthesis"]["method"]["about"] == "a haiku"


def test_nothing_in_nothing_out(made, teacher, stage_of, tmp_path):
    manifest = made([stage_of([])], "regenerate")
    assert (manifest.rows_in, manifest.rows_out, manifest.complete) == (0, 0, True)
    assert list(problems(tmp_path / "out")) == [] and teacher.counts["requests"] == 0


def test_a_plan_tells_the_cost_and_asks_nothing(made, teacher, stage_of):
    given = stage_of([*rows_of(10, ("eng_Latn",)), *rows_of(5, ("tha_Thai",))])
    prices = {"input": 2.0, "output": 10.0}
    generator = {
        "spec": f"http:{teacher.url}/v1",
        "model": "m",
        "max_tokens": 100,
        "account": {"usd_per_million": prices},
    }
    values = {"method": "regenerate", "generator": generator, "remote": {"requests_per_minute": 60}}
    estimate = of_synthesis([given], build(SynthesizeConfig, values), Budget(requests=9))
    assert (estimate.rows, estimate.rows_asked_about, estimate.requests) == (15, 10, 10)
    assert estimate.most_output_tokens == 1000 and estimate.least_seconds == 10
    assert 50 < estimate.input_tokens < 200 and 50 < estimate.output_tokens < 200
    assert estimate.usd == pytest.approx((2 * estimate.input_tokens + 10 * estimate.output_tokens) / 1e6, abs=1e-4)
    assert estimate.most_usd == pytest.approx((2 * estimate.input_tokens + 10 * 1000) / 1e6, abs=1e-4)
    assert estimate.within_budget is False
    assert teacher.counts["requests"] == 0


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"method": ""}, ConfigError, "--method NAME"),
        ({"method": "regenrate"}, UnknownNameError, "regenerate"),
        ({"method": "missing.toml"}, ConfigError, "missing.toml"),
        ({"generators": []}, ConfigError, "no generator"),
        ({"generators": [{"spec": "http:http://127.0.0.1:1/v1"}]}, ConfigError, "no model"),
        ({"generators": [{"spec": "htp:x"}]}, UnknownNameError, "http:URL"),
        ({"generators": [{"spec": "replay:nowhere.jsonl"}]}, SourceError, "no such recording"),
        ({"generators": [{"spec": "http:http://a/v1", "model": "m", "kind": "coher"}]}, UnknownNameError, "cohere"),
        ({"generators": [{"spec": "http:http://a/v1", "model": "m"}] * 2}, ConfigError, "asks one generator"),
        ({"method": "arbitrate"}, ConfigError, "needs 3"),
        ({"method": "arbitrate", "scorer": "judge"}, ConfigError, "needs 2"),
        (
            {"generators": [{"spec": "http:http://a/v1", "model": "m", "account": {"api_key_env": "NOT_SET_AT_ALL"}}]},
            ConfigError,
            "NOT_SET_AT_ALL",
        ),
        ({"method": "reverse", "language": "swh"}, ConfigError, "keeps the texts"),
        ({"language": "klingonese"}, UnknownNameError, "language"),
        ({"remote": {"concurrency": 0}}, ConfigError, "concurrency"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(values, error, words, stage_of, tmp_path):
    given = stage_of(rows_of(1))
    base = {"method": "regenerate", "generators": [{"spec": "http:http://127.0.0.1:1/v1", "model": "m"}]}
    with pytest.raises(error, match=words):
        synthesize([given], build(SynthesizeConfig, {**base, **values}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_budget_needs_something_to_spend_on(made, teacher, stage_of, tmp_path):
    given = stage_of(rows_of(1))
    with pytest.raises(ConfigError, match="needs prices"):
        made([given], "regenerate", budget="usd=1")
    recording = write_recording(tmp_path / "r.jsonl", {"a": "b"}, "m")
    with pytest.raises(ConfigError, match="over HTTP"):
        made([given], "regenerate", generators=[recording], budget="requests=1")


def test_a_server_that_is_gone_keeps_what_is_done(made, teacher, stage_of, tmp_path):
    teacher.behave(answers=answers_of())
    given = stage_of(rows_of(20))
    gone = [{"spec": "http:http://127.0.0.1:1/v1", "model": "m"}]
    with pytest.raises(UserError, match="has not answered"):
        made([given], "distill-safety", generators=gone, remote={"retries": 1, "give_up_after": 3})
    with contextlib.suppress(FileNotFoundError):
        assert not json.loads((tmp_path / "out/manifest.json").read_text())["complete"]
    assert Counter(path.name for path in (tmp_path / "out").iterdir())["answers"] == 1
    assert Reason.UNANSWERED.value == "unanswered"


def test_a_bug_on_one_row_loses_that_row_alone(made, teacher, stage_of, tmp_path, monkeypatch):
    from pipelines.augment.methods import Method

    parsed = Method.parsed

    def parse(self, text):
        if text.startswith("ضوء"):
            raise RuntimeError("a bug")
        return parsed(self, text)

    monkeypatch.setattr(Method, "parsed", parse)
    teacher.behave(answers=answers_of(), latency=0.01)
    manifest = made([stage_of(rows_of(30))], "distill-safety", remote={"concurrency": 4})
    assert manifest.rejected == {"internal_error": 5} and manifest.rows_out == 25
    assert set(teacher.counts["answered"].values()) == {1}


@pytest.mark.slow
def test_several_processes_share_limit_budget_and_answers(made, teacher, stage_of, tmp_path):
    teacher.behave(answers=answers_of())
    given = stage_of(rows_of(200))
    options = {"run": {"mode": "multi_processing", "workers": 2}, "rows_a_piece": 25}
    remote = {"requests_per_minute": 1800, "concurrency": 4}
    manifest = made([given], "distill-safety", budget="requests=120", remote=remote, **options)
    assert (manifest.rows_out, manifest.rejected) == (120, {"over_budget": 80})
    starts = sorted(teacher.counts["starts"])
    assert len(starts) == 120 and starts[-1] - starts[0] >= 119 / 30 * 0.9
    manifest = made([given], "distill-safety", budget="requests=200", **options)
    assert (manifest.rows_out, manifest.usage["requests"]) == (200, 200)
    assert set(teacher.counts["answered"].values()) == {1}
