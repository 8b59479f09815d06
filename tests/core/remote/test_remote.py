"""Asking servers: retries, limits, budgets, answers on disk, keys. The server is real, in a process of its own."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import httpx
import pytest

from core.config import build
from core.errors import ConfigError, OutputError, UnknownNameError, UserError
from core.remote import (
    Account,
    Answer,
    Budget,
    BudgetSpent,
    Failure,
    RemoteConfig,
    RemoteJob,
    Request,
    Session,
    make_client,
)
from core.remote.cache import ResponseCache
from core.remote.clients.client import Secret
from core.remote.clients.post import PostClient
from core.remote.config import Prices, checked_url, key_of
from core.remote.http import guarded, json_of, retry_after

KINDS = ("cohere", "openai")
TEXTS = ["كم يوما في الأسبوع؟", "一周有几天？", "สัปดาห์หนึ่งมีกี่วัน", "How many days?", "हफ़्ते में कितने दिन?"]
KEY = "sk-do-not-tell-0123456789"


def request(content, model="m", tokens=50, **parameters):
    return Request.chat(model, (("user", content),), tokens, parameters)


@contextlib.contextmanager
def opened(out, teacher, kind="openai", budget=Budget(), account=Account(), fresh=False, **config):
    """A session with one server in it."""
    config = RemoteConfig(**{"backoff": 0.01, "timeout": 1, "concurrency": 8, **config})
    job = RemoteJob.of(config, budget, out)
    job.begin(out, fresh)
    with Session(job) as session:
        yield session, session.remote(make_client(kind, teacher.url_of(kind), account, config), account)


def ask_all(out, teacher, contents, **options):
    """What became of each question, and what the run has spent so far."""
    with opened(out, teacher, **options) as (session, remote):

        def ask(content):
            try:
                return remote.ask(request(content))
            except Failure as failure:
                return failure

        outcomes = list(session.in_order(ask, contents))
    return outcomes, RemoteJob.of(RemoteConfig(), Budget(), out).spending()


@pytest.mark.parametrize("kind", KINDS)
def test_answers_come_in_order_with_what_they_cost(kind, teacher, tmp_path):
    contents = [f"{text} {number}" for number in range(6) for text in TEXTS]
    teacher.behave(answers={content: f"answer to {content}" for content in contents[::-1]})
    answers, spent = ask_all(tmp_path, teacher, contents, kind=kind)
    assert [answer.text for answer in answers] == [f"answer to {content}" for content in contents]
    assert {answer.finish_reason for answer in answers} == {"complete"}
    assert {answer.model for answer in answers} == {"m" if kind == "cohere" else "m-0613"}
    assert (spent.requests, spent.answers, spent.failures) == (30, 30, {})
    assert (spent.input_tokens, spent.output_tokens) == (300, 600)
    assert teacher.counts["peak"] <= 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        ("429", "status_429"),
        ("429-seconds", "status_429"),
        ("429-date", "status_429"),
        ("500", "status_500"),
        ("503", "status_503"),
        ("hang", "timeout"),
        ("cut", "broken_answer"),
        ("cut-chunked", "broken_answer"),
        ("garbage", "broken_answer"),
        ("no-json", "broken_answer"),
        ("empty-json", "broken_answer"),
        ("nonsense", "broken_answer"),
    ],
)
def test_every_fault_is_survived(kind, fault, counted, teacher, tmp_path):
    teacher.behave(faults=[fault], hang=8, retry_after=1)
    # A busy machine may take a second for an honest answer.
    answers, spent = ask_all(tmp_path, teacher, TEXTS, kind=kind, timeout=3 if fault == "hang" else 30)
    assert all(isinstance(answer, Answer) for answer in answers)
    assert (spent.requests, spent.answers) == (10, 5)
    assert spent.failures == {counted: 5}
    assert set(teacher.counts["by_content"].values()) == {2}


def test_a_server_that_drips_is_cut_off_in_time(tmp_path):
    import socket

    def drip(server):
        with contextlib.suppress(OSError):
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
                for _ in range(100):
                    peer.sendall(b" ")
                    time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        config = RemoteConfig(timeout=0.3, retries=0)
        client = make_client("openai", f"http://127.0.0.1:{server.getsockname()[1]}/v1", Account(), config)
        begun = time.monotonic()
        with pytest.raises(Failure, match="timeout"):
            client.send(request("hello"))
        client.close()
        assert time.monotonic() - begun < 2


def test_waits_as_long_as_the_server_asks(teacher, tmp_path):
    teacher.behave(faults=["429-seconds"], retry_after=1)
    begun = time.time()
    ask_all(tmp_path, teacher, ["one", "two"])
    # All wait, also those that were not told to themselves.
    late = sorted(start - begun for start in teacher.counts["starts"])[2:]
    assert len(late) == 2 and min(late) >= 0.9


def test_retry_after_is_understood_in_both_forms():
    assert retry_after({"Retry-After": "7"}) == 7
    assert retry_after({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT"}, now=1792567680.0) == 10
    assert retry_after({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT"}, now=1892567680.0) == 0
    assert retry_after({"retry-after-ms": "250"}) == 0.25
    for text in ("", "soon", "-3", "nan"):
        assert retry_after({"retry-after": text}) in (None, 0)
    assert retry_after({}) is None


def test_what_stays_broken_is_a_failure_and_the_rest_goes_on(teacher, tmp_path):
    teacher.behave(faults=["always:500"], one_in=2)
    outcomes, spent = ask_all(tmp_path, teacher, [f"question {n}" for n in range(40)], retries=2)
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert 0 < len(failed) < 40 and all("status_500" in str(failure) for failure in failed)
    assert spent.failures == {"status_500": 3 * len(failed)}
    assert spent.answers == 40 - len(failed)


def test_what_the_server_does_not_like_is_not_asked_again(teacher, tmp_path):
    teacher.behave(faults=["always:400"])
    outcomes, spent = ask_all(tmp_path, teacher, [f"question {n}" for n in range(30)])
    assert all(isinstance(outcome, Failure) for outcome in outcomes)
    assert spent.failures == {"status_400": 30}


def test_a_server_that_is_gone_stops_the_run(teacher, tmp_path):
    teacher.behave(faults=["always:503"])
    with pytest.raises(UserError, match=r"has not answered \d requests in a row.*status_503.*run the same"):
        ask_all(tmp_path, teacher, [f"question {n}" for n in range(300)], retries=1, give_up_after=3)
    assert teacher.counts["requests"] < 60


def test_a_long_wait_stops_the_run(teacher, tmp_path):
    teacher.behave(faults=["429-seconds"], retry_after=3600)
    with pytest.raises(UserError, match=r"asks to wait for 3,600 seconds"):
        ask_all(tmp_path, teacher, [f"question {n}" for n in range(50)])
    assert teacher.counts["requests"] <= 8


def test_a_wrong_key_stops_the_run_at_once(teacher, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "wrong-key-wrong-key")
    teacher.behave(key=KEY)
    with pytest.raises(UserError, match=r"refuses every request.*401") as caught:
        ask_all(tmp_path, teacher, [f"question {n}" for n in range(100)], account=Account("MY_KEY"))
    assert "wrong-key" not in str(caught.value)
    assert teacher.counts["requests"] <= 8


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_is_sent_and_stands_nowhere(kind, teacher, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    teacher.behave(key=KEY, faults=["echo-key", "always:400", "500"])
    contents = [f"question {n}" for n in range(30)]
    outcomes, spent = ask_all(tmp_path, teacher, contents, kind=kind, account=Account("MY_KEY"))
    assert spent.answers and spent.failures.keys() == {"status_400", "status_500"}
    echoed = [one for one in outcomes if isinstance(one, Answer) and "You sent" in one.text]
    assert echoed and all("***" in one.text for one in echoed)
    assert KEY not in repr(outcomes) + "".join(map(str, outcomes))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and all(KEY.encode() not in path.read_bytes() for path in files)


def test_a_key_goes_to_its_own_host_alone(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("COHERE_API_KEY", "other")
    assert key_of("openai", "https://api.openai.com/v1", Account()) == KEY
    assert key_of("cohere", "https://api.cohere.com", Account()) == "other"
    for kind, url in (
        ("openai", "http://localhost:8000/v1"),
        ("openai", "https://openai.com.evil.org"),
        ("cohere", "https://notcohere.com"),
    ):
        assert key_of(kind, url, Account()) == ""
    assert key_of("openai", "http://localhost:8000/v1", Account("OPENAI_API_KEY")) == KEY
    with pytest.raises(ConfigError, match="NOT_SET"):
        key_of("openai", "https://api.openai.com", Account("NOT_SET"))


def test_urls_hold_no_secrets():
    assert checked_url("https://api.cohere.com/") == "https://api.cohere.com"
    for url in ("https://user:secret@host/v1", "https://host/v1?key=secret"):
        with pytest.raises(ConfigError) as caught:
            checked_url(url)
        assert "secret" not in str(caught.value)
    for url in ("localhost:8000", "ftp://host", ""):
        with pytest.raises(ConfigError, match="expected http"):
            checked_url(url)
    with pytest.raises(UnknownNameError, match="cohere"):
        make_client("coher", "http://host", Account(), RemoteConfig())


def test_nothing_is_asked_twice(teacher, tmp_path):
    contents = [f"question {n % 20}" for n in range(60)]
    _, spent = ask_all(tmp_path, teacher, contents)
    assert (spent.requests, spent.cached) == (20, 40)
    answers, spent = ask_all(tmp_path, teacher, contents)
    assert all(answer.cached for answer in answers)
    assert (spent.requests, spent.cached, teacher.counts["requests"]) == (20, 100, 20)
    # A fresh run forgets what was spent, and not what it bought.
    _, spent = ask_all(tmp_path, teacher, contents, fresh=True)
    assert (spent.requests, spent.cached, teacher.counts["requests"]) == (0, 60, 20)


def test_another_question_is_another_answer(teacher, tmp_path):
    with opened(tmp_path, teacher) as (_, remote):
        first = remote.ask(request("hello"))
        for other in (
            request("hello", model="n"),
            request("hello", seed=1),
            request("hello", tokens=7),
            request("Hello"),
        ):
            assert not remote.ask(other).cached
        assert remote.ask(request("hello")).text == first.text
    with opened(tmp_path, teacher, kind="cohere") as (_, remote):
        assert not remote.ask(request("hello")).cached


def test_a_torn_entry_is_no_entry(teacher, tmp_path):
    ask_all(tmp_path, teacher, ["one", "two"])
    with contextlib.closing(sqlite3.connect(tmp_path / "answers/answers.sqlite")) as connection, connection:
        connection.execute("UPDATE answers SET answer = substr(answer, 1, 20)")
    answers, _ = ask_all(tmp_path, teacher, ["one", "two"])
    assert [answer.cached for answer in answers] == [False, False]
    assert ask_all(tmp_path, teacher, ["one", "two"])[0][0].cached


def test_a_file_that_is_no_cache_is_told_by_its_name(tmp_path):
    (tmp_path / "answers.sqlite").write_bytes(b"no database at all " * 100)
    with pytest.raises(OutputError, match=r"answers\.sqlite cannot be used"):
        ResponseCache(tmp_path)


WRITER = """
import sys, itertools
from pathlib import Path
from core.remote.answer import Answer
from core.remote.cache import ResponseCache
cache = ResponseCache(Path(sys.argv[1]))
for number in itertools.count():
    cache.put(f"{sys.argv[2]}-{number}", Answer("answer " * 500))
    print(number, flush=True)
"""


def test_a_kill_leaves_whole_answers_of_all_processes(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]
    kept = {}
    for name, process in zip("abc", processes, strict=True):
        for line in process.stdout:
            kept[name] = int(line)
            if kept[name] >= 60:
                break
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
        kept[name] = max([kept[name], *map(int, rest[:-1])])
        process.stdout.close()
        process.wait()
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        for name, last in kept.items():
            assert all(cache.get(f"{name}-{number}").text == "answer " * 500 for number in range(last + 1))


def test_requests_are_spread_over_time(teacher, tmp_path):
    with opened(tmp_path, teacher, requests_per_minute=1200) as (session, remote):
        list(session.in_order(lambda n: remote.ask(request(f"question {n}")), range(20)))
    starts = sorted(teacher.counts["starts"])
    # Nineteen gaps of 50 ms: no faster, whatever the threads.
    assert starts[-1] - starts[0] >= 0.9


ASKER = """
import sys
from pathlib import Path
from core.remote import *
config = RemoteConfig(requests_per_minute=float(sys.argv[4]), concurrency=4)
with Session(RemoteJob.of(config, Budget.parse(sys.argv[5]), Path(sys.argv[1]))) as session:
    remote = session.remote(make_client("openai", sys.argv[2], Account(), config), Account())
    def ask(number):
        try:
            return remote.ask(Request.chat("m", (("user", f"{sys.argv[3]} {number}"),), 50))
        except BudgetSpent:
            return None
    print(sum(one is not None for one in session.in_order(ask, range(20))))
"""


def test_rate_and_budget_hold_over_processes(teacher, tmp_path):
    arguments = (tmp_path, f"{teacher.url}/v1")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASKER, *map(str, arguments), name, "1200", "requests=30"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    answered = [int(text) for text in said]
    assert sum(answered) == 30 == teacher.counts["requests"]
    starts = sorted(teacher.counts["starts"])
    assert starts[-1] - starts[0] >= 1.3


def test_a_budget_is_never_passed_and_a_larger_one_goes_on(teacher, tmp_path):
    contents = [f"question {n}" for n in range(30)]
    outcomes, spent = ask_all(tmp_path, teacher, contents, budget=Budget(requests=12))
    assert sum(isinstance(one, Answer) for one in outcomes) == 12 == spent.requests == teacher.counts["requests"]
    assert all(isinstance(one, Answer | BudgetSpent) for one in outcomes)
    _, spent = ask_all(tmp_path, teacher, contents, budget=Budget(requests=12))
    assert spent.requests == 12
    outcomes, spent = ask_all(tmp_path, teacher, contents, budget=Budget(requests=30))
    assert all(isinstance(one, Answer) for one in outcomes)
    assert spent.requests == 30 == teacher.counts["requests"]


def test_tokens_and_money_are_held_back_until_they_are_known(teacher, tmp_path):
    teacher.behave(latency=0.02)
    contents = [f"question {n}" for n in range(40)]
    # An answer costs 30 tokens, and may cost some 150: the last ones wait for what is held back before them.
    _, spent = ask_all(tmp_path / "a", teacher, contents, budget=Budget(tokens=600))
    assert 600 - 170 < spent.input_tokens + spent.output_tokens <= 600
    account = Account(usd_per_million=Prices(1000, 2000))
    _, spent = ask_all(tmp_path / "b", teacher, contents, budget=Budget(usd=1.0), account=account)
    assert spent.usd == pytest.approx(spent.answers * 0.05)
    assert 0.8 < spent.usd <= 1.0


def test_budgets_are_read():
    assert Budget.parse("requests=1000, tokens=2e6,usd=5.5") == Budget(1000, 2_000_000, 5.5)
    assert Budget.parse("") == Budget()
    with pytest.raises(UnknownNameError, match="requests"):
        Budget.parse("request=5")
    for text in ("requests", "requests=many", "usd=-1", "usd=inf", "tokens=nan"):
        with pytest.raises(ConfigError, match="expected"):
            Budget.parse(text)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [("concurrency", 0, "1 or more"), ("retries", -1, "0 or more"), ("timeout", 0, "more than 0")],
)
def test_settings_have_ranges(key, value, expected):
    with pytest.raises(ConfigError, match=f"remote.{key} is {value}.*: expected {expected}"):
        build(RemoteConfig, {key: value}, "remote.")


def test_a_budget_does_not_hold_on_several_machines(tmp_path):
    with pytest.raises(ConfigError, match="one machine"):
        RemoteJob.of(RemoteConfig(), Budget(requests=1), tmp_path, spread=True)
    job = RemoteJob.of(RemoteConfig(), Budget(), tmp_path, spread=True)
    with Session(job) as session:
        session.ledger.found()
    assert list(tmp_path.iterdir()) == [] and not job.has_spent


def test_a_plain_server_is_asked_with_its_key_in_the_body(teacher, tmp_path, monkeypatch):
    client = PostClient(
        teacher.url, "/echo", KEY, RemoteConfig(), lambda found: found["api_key"][:2] + found["q"], "api_key"
    )
    assert client.send(Request({"q": "नमस्ते"})).text == "skनमस्ते"
    client.close()
    client = PostClient(teacher.url, "/echo", "", RemoteConfig(), lambda found: found["translatedText"])
    with pytest.raises(Failure, match="broken_answer"):
        client.send(Request({"q": "hello"}))
    client.close()


def test_an_error_of_one_stops_all_and_is_told(teacher, tmp_path):
    seen = []

    def work(number):
        seen.append(number)
        if number == 5:
            raise UserError("five is too many")
        time.sleep(0.01)
        return number

    with opened(tmp_path, teacher) as (session, _), pytest.raises(UserError, match="five"):
        list(session.in_order(work, range(10_000)))
    assert len(seen) < 1000


SECRET = Secret("sk-0123456789abcdef")


def test_a_key_that_a_server_repeats_is_hidden_wherever_it_stands():
    said = f"for {SECRET.reveal()}"
    answer = guarded(SECRET, lambda: Answer(said, said, said))
    assert (answer.text, answer.finish_reason, answer.model) == ("for ***",) * 3
    # Not even the half of it that is left where a long message is cut.
    for before in range(270, 300):
        with pytest.raises(Failure) as error:
            guarded(SECRET, lambda before=before: json_of(httpx.Response(400, text="x" * before + SECRET.reveal())))
        assert "sk-" not in str(error.value).replace("***", "")


def test_half_a_character_costs_no_answer(tmp_path):
    answer = guarded(SECRET, lambda: Answer("good \ud83d", model="m\udc00"))
    assert answer.text == "good \N{REPLACEMENT CHARACTER}" and Answer.from_bytes(answer.to_bytes()).text == answer.text


@pytest.mark.parametrize("tokens", [-1, 10**20, float("inf"), float("nan")])
def test_tokens_that_cannot_be_are_no_answer(tokens):
    with pytest.raises(Failure, match="broken_answer"):
        guarded(SECRET, lambda: Answer("a", input_tokens=0, output_tokens=tokens))
    with pytest.raises(Failure, match="broken_answer"):
        guarded(SECRET, lambda: Answer("a", output_tokens=int(1e999)))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n", "stream", "model", "messages"])
def test_parameters_cannot_say_what_a_budget_stands_on(name):
    with pytest.raises(ConfigError, match=f"parameters.{name} cannot be set"):
        Request.chat("m", (("user", "a"),), 10, {"temperature": 0.1, name: 5})


def test_a_spent_budget_does_not_wait_for_its_place_in_the_queue(teacher, tmp_path):
    begun = time.monotonic()
    with (
        opened(tmp_path, teacher, budget=Budget(requests=1), requests_per_minute=60) as (session, remote),
        pytest.raises(BudgetSpent),
    ):
        list(session.in_order(lambda text: remote.ask(request(text)), [f"q{n}" for n in range(50)]))
    assert time.monotonic() - begun < 15
