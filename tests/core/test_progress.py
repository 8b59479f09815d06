"""Progress speaks in a bar on a terminal, in plain lines elsewhere, and not at all when silent."""

import io
import sys
import threading

import pytest

from core import progress
from core.progress import Progress


class Stream(io.StringIO):
    """A terminal, or none, that remembers what it was told and says when it was told something."""

    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal
        self.told = threading.Event()

    def isatty(self):
        return self.terminal

    def write(self, text):
        count = super().write(text)
        self.told.set()
        return count


def test_a_silent_one_says_nothing_and_asks_for_nothing(capsys):
    quiet = Progress.silent()
    quiet.note("nobody hears")
    with quiet.watch(lambda: pytest.fail("asked"), 10):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_note_is_one_line_on_standard_error(capsys):
    Progress.on_stderr().note("ตอน 1 จาก 8")
    assert capsys.readouterr() == ("", "ตอน 1 จาก 8\n")


def test_a_terminal_gets_a_bar_with_rows_and_share_and_the_line_is_closed():
    stream = Stream(terminal=True)
    beats = [(0, 0)]
    with Progress(stream).watch(lambda: beats, 200):
        beats[:] = [(1000, 40), (500, 60)]
    said = stream.getvalue()
    assert said.startswith("\r") and said.endswith("\n") and said.count("\n") == 1
    last = said.rstrip("\n").split("\r")[-1]
    assert "1,500 rows" in last and "rows/s" in last and "50%" in last and "left" in last
    assert last.count("━") == 12 and last.count("╌") == 12


@pytest.mark.parametrize(
    ("done", "total", "share"), [(0, 10, "0%"), (10, 10, "100%"), (15, 10, "150%"), (0, 0, "100%"), (3, 0, "100%")]
)
def test_a_bar_never_leaves_its_frame(done, total, share):
    stream = Stream(terminal=True)
    with Progress(stream).watch(lambda: [(1, done)], total):
        pass
    last = stream.getvalue().split("\r")[-1]
    assert last.count("━") + last.count("╌") == 24
    assert f" {share} " in last


def test_work_that_was_done_before_counts_in_the_share_and_not_in_the_speed():
    stream = Stream(terminal=True)
    with Progress(stream).watch(lambda: [(5_000, 50)], 100):
        pass
    last = stream.getvalue().split("\r")[-1]
    assert "5,000 rows" in last and " 0 rows/s" in last and "50%" in last and "time left unknown" in last


def test_elsewhere_plain_lines_come_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "_ELSEWHERE", 0.001)
    stream = Stream(terminal=False)
    with Progress(stream).watch(lambda: [(7, 1)], 4):
        assert stream.told.wait(10)
    lines = stream.getvalue().splitlines()
    assert lines and all(line.startswith("7 rows · ") and "25%" in line for line in lines)
    assert "\r" not in stream.getvalue() and "\x1b" not in stream.getvalue()


def test_a_short_job_elsewhere_leaves_no_line():
    stream = Stream(terminal=False)
    with Progress(stream).watch(lambda: [(7, 1)], 4):
        pass
    assert stream.getvalue() == ""


def test_an_error_in_the_work_comes_through_and_the_watching_ends():
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), Progress(Stream(terminal=True)).watch(lambda: [(0, 0)], 1):
        raise ZeroDivisionError
    assert threading.active_count() == before


def test_standard_error_is_looked_up_when_it_is_needed(monkeypatch):
    stream = Stream(terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    Progress.on_stderr().note("here")
    assert stream.getvalue() == "here\n"
