"""Translation by servers: a chat that is asked for it, and LibreTranslate's API. Both are stand-ins on this machine."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from collection import store
from collection.languages import resolve
from collection.translation_quality import TranslationQualityConfig
from collection.validate import problems
from core.errors import ConfigError, UserError
from core.remote import Account, Answer, Budget, RemoteConfig, RemoteJob, Session
from core.remote.config import Prices
from core.remote.session import Remote
from pipelines.augment.translate import TranslateConfig, translate
from pipelines.augment.translators.base import Translated
from pipelines.augment.translators.config import HttpConfig
from pipelines.augment.translators.http import Chat
from pipelines.plan.translate import of_translate
from pipelines.runner import RunConfig

KEEP_ALL = TranslationQualityConfig(min_score=0, detector="none")
ROWS = [
    ("eng_Latn", f"What is the number {n} good for?\nSee `x_{n}` now.", f"For counting {n} apples.") for n in range(12)
]
SAID = {"What is the number": "¿Para qué sirve?", "See ⟦0⟧ now.": "Mira ⟦0⟧ ahora.", "For counting": "Para contar."}


def run(folder, out, url, budget=Budget(), fresh=False, to=("spa",), **http):
    account = http.pop("account", Account())
    config = TranslateConfig(
        translator=f"http:{url}",
        to=to,
        quality=KEEP_ALL,
        http=HttpConfig(**{"model": "mt-1", "account": account, **http}),
        remote=RemoteConfig(backoff=0.01, retries=2, concurrency=4),
        rows_a_piece=5,
        run=RunConfig(mode="in_memory"),
    )
    manifest = translate([folder], config, out, budget=budget, fresh=fresh)
    assert list(problems(out)) == []
    return manifest


@pytest.mark.parametrize("kind", ["cohere", "openai"])
def test_a_chat_translates_whole_lines(kind, teacher, stage_of, tmp_path):
    teacher.behave(answers=SAID)
    manifest = run(stage_of(ROWS), tmp_path / "out", teacher.url_of(kind), kind=kind)
    assert (manifest.rows_in, manifest.rows_out) == (12, 12)
    for number, made in enumerate(store.records(tmp_path / "out")):
        assert made.messages[0].content == f"¿Para qué sirve?\nMira `x_{number}` ahora."
        assert made.target == "Para contar." and made.generator == f"{kind} mt-1" and made.origin == "translated"
    # Each different line is asked for once, though a masked line is the same in all rows.
    assert teacher.counts["requests"] == 25 and teacher.counts["peak"] <= 4


def test_nothing_is_paid_for_twice(teacher, stage_of, tmp_path):
    teacher.behave(answers=SAID)
    folder, url = stage_of(ROWS), teacher.url_of("openai")
    run(folder, tmp_path / "out", url, kind="openai")
    run(folder, tmp_path / "out", url, kind="openai", fresh=True)
    assert teacher.counts["requests"] == 25


def test_a_spent_budget_ends_well_and_more_goes_on(teacher, stage_of, tmp_path):
    teacher.behave(answers=SAID)
    folder, url = stage_of(ROWS), teacher.url_of("openai")
    poor = run(folder, tmp_path / "out", url, kind="openai", budget=Budget(requests=9))
    assert poor.complete and 0 < poor.rows_out < 12
    assert poor.rejected == {"over_budget": 12 - poor.rows_out}
    assert teacher.counts["requests"] == 9
    rich = run(folder, tmp_path / "out", url, kind="openai", budget=Budget(requests=100))
    assert rich.rows_out == 12 and rich.rejected == {}
    assert teacher.counts["requests"] == 25


def test_a_server_that_fails_on_some_lines_costs_their_rows(teacher, stage_of, tmp_path):
    teacher.behave(answers=SAID, faults=["always:400"], one_in=5)
    manifest = run(stage_of(ROWS), tmp_path / "out", teacher.url_of("openai"), kind="openai")
    assert manifest.rows_in == 12 and manifest.rejected.keys() == {"not_translated"}
    assert any("status_400" in line["detail"] for line in store.rejects(tmp_path / "out"))


def test_an_answer_that_was_cut_is_no_translation(teacher, stage_of, tmp_path):
    teacher.behave(answers=SAID, finish_reason="length")
    manifest = run(stage_of(ROWS[:2]), tmp_path / "out", teacher.url_of("openai"), kind="openai")
    assert manifest.rejected == {"not_translated": 2}


def test_lost_placeholders_are_asked_for_in_pieces(teacher, stage_of, tmp_path):
    teacher.behave(answers={"See ⟦0⟧": "Mira.", "See": "Mira", "now.": "ahora."})
    run(
        stage_of([("eng_Latn", "See `x` now.", "See you now.")]),
        tmp_path / "out",
        teacher.url_of("openai"),
        kind="openai",
    )
    (made,) = store.records(tmp_path / "out")
    assert made.messages[0].content == "Mira `x` ahora."


def test_a_key_stands_nowhere_but_in_its_header(teacher, stage_of, tmp_path, monkeypatch):
    teacher.behave(answers=SAID, key="s3cret-key")
    monkeypatch.setenv("OUR_KEY", "s3cret-key")
    account = Account(api_key_env="OUR_KEY")
    run(stage_of(ROWS[:3]), tmp_path / "out", teacher.url_of("openai"), kind="openai", account=account)
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()
    monkeypatch.setenv("OUR_KEY", "another-key-of-ours")
    with pytest.raises(UserError, match="refuses every request") as error:
        run(
            stage_of(ROWS[3:], name="other"),
            tmp_path / "else",
            teacher.url_of("openai"),
            kind="openai",
            account=account,
        )
    assert "another-key-of-ours" not in str(error.value)
    monkeypatch.delenv("OUR_KEY")
    with pytest.raises(ConfigError, match="OUR_KEY is not set"):
        run(
            stage_of(ROWS[3:], name="third"),
            tmp_path / "third",
            teacher.url_of("openai"),
            kind="openai",
            account=account,
        )


def test_a_plan_counts_tokens_and_cost_and_asks_nothing(teacher, stage_of, tmp_path):
    account = Account(usd_per_million=Prices(input=1_000, output=2_000))
    config = TranslateConfig(
        translator=f"http:{teacher.url_of('openai')}",
        to=("spa", "cat"),
        http=HttpConfig(kind="openai", model="mt-1", account=account),
    )
    estimate = of_translate([stage_of(ROWS)], config)
    assert estimate.pairs == 24 and estimate.lines == 72 and estimate.seconds is None
    assert 72 * 50 < estimate.input_tokens < 72 * 500 and 72 < estimate.output_tokens < 72 * 40
    assert estimate.usd == pytest.approx(
        (estimate.input_tokens * 1_000 + estimate.output_tokens * 2_000) / 1e6, abs=0.01
    )
    assert teacher.counts["requests"] == 0


def test_a_model_must_be_named(stage_of, tmp_path):
    with pytest.raises(ConfigError, match=r"http\.model"):
        run(stage_of(ROWS), tmp_path / "out", "http://127.0.0.1:9", kind="openai", model="")


@pytest.fixture
def libre():
    """A server that speaks LibreTranslate's API, for two pairs."""
    seen = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            languages = [
                {"code": "en", "name": "English", "targets": ["en", "es", "zt"]},
                {"code": "es", "name": "Spanish", "targets": ["en"]},
            ]
            self.answer(200, languages if self.path == "/languages" else {"error": "?"})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen[body["q"]] += 1
            if server.key and body.get("api_key") != server.key:
                self.answer(403, {"error": "Please contact the server operator"})
            elif "fail" in body["q"]:
                self.answer(400, {"error": "Invalid request"})
            else:
                self.answer(200, {"translatedText": f"<{body['target']}> {body['q']}"})

        def answer(self, status, value):
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.key, server.url = seen, "", f"http://127.0.0.1:{server.server_port}"
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_libretranslate_is_asked_sentence_by_sentence(libre, stage_of, tmp_path):
    rows = [
        ("eng_Latn", "Good day. How are you?", "Well."),
        ("eng_Latn", "Please fail.", "Well."),
        ("swh_Latn", "Habari?", "Nzuri."),
    ]
    manifest = run(stage_of(rows), tmp_path / "out", libre.url, to=("spa_Latn", "zho_Hant", "fra_Latn"))
    assert manifest.rows_in == 9 and manifest.rows_out == 2
    assert manifest.rejected == {"no_translator": 5, "not_translated": 2}
    spanish, chinese = store.records(tmp_path / "out")
    assert spanish.messages[0].content == "<es> Good day. <es> How are you?" and spanish.target == "<es> Well."
    assert chinese.target == "<zt> Well." and chinese.generator == f"libretranslate {libre.url[7:]} en-zt"
    assert libre.seen["Well."] == 2  # once for each language, though two rows have it


def test_libretranslates_key_goes_into_the_body(libre, stage_of, tmp_path, monkeypatch):
    libre.key = "s3cret-key"
    monkeypatch.setenv("LIBRE_KEY", "s3cret-key")
    rows = [("eng_Latn", "Good day.", "Well.")]
    run(stage_of(rows), tmp_path / "out", libre.url, account=Account(api_key_env="LIBRE_KEY"))
    assert all(b"s3cret" not in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    with pytest.raises(UserError, match="refuses every request"):
        run(stage_of(rows, name="other"), tmp_path / "keyless", libre.url)


def test_a_server_that_is_none_is_told(teacher, stage_of, tmp_path):
    with pytest.raises(UserError, match="is it a LibreTranslate server"):
        run(stage_of(ROWS), tmp_path / "out", teacher.url)
    with pytest.raises(UserError, match="/languages"):
        run(stage_of(ROWS), tmp_path / "out", "http://127.0.0.1:9")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_what_a_server_did_not_let_its_model_finish_is_no_translation(teacher, tmp_path, monkeypatch):
    english, spanish = resolve("eng_Latn"), resolve("spa_Latn")
    with Session(RemoteJob.of(RemoteConfig(), Budget(), tmp_path)) as session:
        chat = Chat(teacher.url_of("openai"), HttpConfig(kind="openai", model="m"), session)
        for reason, whole in (("complete", True), ("content_filter", False), ("length", False), ("error", False)):
            monkeypatch.setattr(Remote, "ask", lambda self, request, reason=reason: Answer("Hola.", reason))
            [outcome] = chat.translate(["Hello."], english, spanish)
            assert isinstance(outcome, Translated) == whole
