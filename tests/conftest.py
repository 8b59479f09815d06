"""What tests share: the real data where it is there, small sources, a quick ingest."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from collection.manifest import KEPT, Manifest, Tally
from collection.record import Message, Record
from collection.store import PartWriter
from core.paths import as_path

ROOT = Path(__file__).resolve().parent.parent

# Models in tests compile far longer than they compute: compiled in a hurry, and kept for the next test that asks for it.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "jax")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """The path of a real data set; the test is skipped, with the reason, where it is not at hand."""
    base = Path(os.environ.get("GLOTMILL_SHARED", ROOT.parent / "shared"))

    def find(name: str) -> Path:
        path = base / name
        if not path.exists():
            pytest.skip(f"the data set {name} is not on this machine (GLOTMILL_SHARED says where such sets are)")
        return path

    return find


@pytest.fixture
def write_lines() -> Callable[[Path, Iterable[Any]], Path]:
    """Writes JSON lines; a string or bytes among the rows is written as it is."""

    def write(path: Path, rows: Iterable[Any]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            for row in rows:
                if isinstance(row, bytes):
                    file.write(row + b"\n")
                else:
                    text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)
                    file.write(text.encode("utf-8", "surrogatepass") + b"\n")
        return path

    return write


@pytest.fixture(scope="session")
def small_tokenizer(tmp_path_factory):
    """A SentencePiece model of 300 pieces in the folder's form, trained in a blink."""
    import sentencepiece

    from finetune.checkpoints.tokenizer_copy import copy_tokenizer

    folder = tmp_path_factory.mktemp("spm")
    words = "habari nzuri wiki siku moja mbili tatu привет мир неделя день 你好 世界 一天".split()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words)] * 4),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=300,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    copy_tokenizer(folder / "tokenizer.model", folder / "folder")
    return folder / "folder"


TEACHER = ROOT / "tests" / "teacher.py"


@pytest.fixture(scope="session")
def server():
    """The environment in which s3:// means a server that is started for these tests, with one bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        as_path("s3://bucket/x").fs.mkdir("bucket")
        yield names
    finally:
        process.kill()
        process.wait()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


@pytest.fixture
def bucket(server, request):
    """A folder of the test's own in the store."""
    return as_path(f"s3://bucket/{request.path.stem}/{request.node.name.strip(']').replace('[', ' ')}")


class Teacher:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def url_of(self, kind):
        """Where a client of this kind finds it."""
        return self.url if kind == "cohere" else f"{self.url}/v1"

    def behave(self, **behaviour):
        """From now on it behaves like this, and what was counted is forgotten."""
        self._request("/behave", {"reset": True, **behaviour})

    def change(self, **behaviour):
        """As `behave`, but it goes on counting."""
        self._request("/behave", behaviour)

    @property
    def counts(self):
        return self._request("/counts")

    def _request(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data), timeout=10) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def _teacher():
    process = subprocess.Popen([sys.executable, TEACHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield Teacher(int(process.stdout.readline()))
        process.stdin.close()


@pytest.fixture
def teacher(_teacher):
    _teacher.behave()
    return _teacher


@pytest.fixture
def stage_of(tmp_path):
    """Writes a finished folder of conversations: (language, prompt, answer), or (language, [turns])."""

    def write(rows, name="in", source="chats", **columns):
        tally, records = Tally(), []
        for language, *texts in rows:
            turns = texts[0] if isinstance(texts[0], list) else [("user", texts[0]), ("assistant", texts[1])]
            messages = tuple(Message(*turn) for turn in turns)
            records.append(Record.of(messages=messages, language=language, source=source, **columns))
            tally.outcomes[source, language, KEPT] += 1
        with PartWriter(tmp_path / name, 0, 1) as part:
            part.write(records)
        Manifest.of("sample", tally, 1, complete=True).write(tmp_path / name)
        return tmp_path / name

    return write


class Outline(HTMLParser):
    """Tags, words and addresses of a page; the page must close all tags that HTML does not make optional."""

    OPTIONAL = frozenset({"td", "tr", "th"})
    VOID = frozenset({"meta", "input", "link", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.fetched: list[str | None] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] in self.OPTIONAL and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "|".join(self.texts)

    @property
    def is_whole(self) -> bool:
        """Whether the page needs nothing from elsewhere."""
        style = "".join(text for text in self.texts if ":root" in text)
        return self.fetched == [] and "link" not in self.tags and "@import" not in style and "url(" not in style


@pytest.fixture
def outline() -> type[Outline]:
    """The outline of an HTML page."""
    return Outline


@pytest.fixture
def browse(tmp_path: Path) -> Callable[[str, str], Any]:
    """Opens a page in Chromium, runs a script in it, and gives its result; an error of the page fails the test."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")

    def run(page: str, script: str) -> Any:
        path = tmp_path / "page.html"
        result = f"<script>document.title = JSON.stringify((() => {{{script}}})())</script>"
        path.write_text(page.replace("</body>", f"{result}</body>"), "utf-8")
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--enable-logging=stderr", "--v=0", "--dump-dom", path.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert "CONSOLE" not in done.stderr, done.stderr
        title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
        assert title is not None, done.stdout
        return json.loads(html.unescape(title[1]))

    return run


@pytest.fixture
def on_phone(browse: Callable[[str, str], Any]) -> Callable[[str], list[int]]:
    """The width of a page on a screen of 360 pixels, the width that it has there, and its number of boxes."""

    def measure(page: str) -> list[int]:
        frame = (
            f'<html><body><iframe srcdoc="{html.escape(page)}" style="width:360px;height:600px"></iframe></body></html>'
        )
        # The frame is complete when it has loaded, and then writes the title again.
        script = """
        const frame = document.querySelector("iframe");
        const measure = () => { const root = frame.contentDocument.documentElement; return [root.scrollWidth,
          root.clientWidth, frame.contentDocument.querySelectorAll(".box").length]; };
        frame.addEventListener("load", () => { document.title = JSON.stringify(measure()); });
        return measure();
        """
        return browse(frame, script)  # type: ignore[no-any-return]

    return measure
