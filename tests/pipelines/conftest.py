"""An object store: a real server that speaks S3, on this machine."""

import contextlib
import os
import socket
import subprocess
import sys
import time

import pytest

from glotmill.paths import as_path


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
