"""What the jobs are tested against: an object store that speaks S3, a chat server that misbehaves on demand."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from collection.manifest import KEPT, Manifest, Tally
from collection.record import Message, Record
from collection.store import PartWriter
from glotmill.paths import as_path

TEACHER = Path(__file__).resolve().parent.parent / "teacher.py"


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
