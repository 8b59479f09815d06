"""Progress is a Rich bar on a terminal, plain lines elsewhere, and nothing when silent."""

import io
import re
import sys
import threading

import pytest

from core import progress
from core.progress import Progress


class Stream(io.StringIO):
    """A stream, a terminal or not, with an event that is set at each write."""

    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal
        self.written = threading.Event()

    def isatty(self):
        return self.terminal

    def write(self, text):
        count = super().write(text)
        self.written.set()
        return count


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    """A terminal of 100 columns without colours, whatever the machine's is: the rest of the bar is then blank."""
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def frames(stream):
    """The lines that the bar showed one after the other, without control codes."""
    return [line.rstrip("\n") for line in re.sub(r"\x1b\[[?0-9]*[A-Za-z]", "", stream.getvalue()).split("\r")]


def test_silent_progress_writes_nothing_and_polls_nothing(capsys):
    quiet = Progress.silent()
    quiet.note("nobody reads this")
    quiet.status(0.5, "nor this")
    with quiet.watch(lambda: pytest.fail("polled"), 10):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_note_is_one_line_on_standard_error(capsys):
    Progress.on_stderr().note("ตอน 1 จาก 8")
    assert capsys.readouterr() == ("", "ตอน 1 จาก 8\n")


def test_a_terminal_shows_a_bar_with_rows_and_share_and_the_line_is_closed():
    stream = Stream(terminal=True)
    counts = [(0, 0)]
    with Progress(stream).watch(lambda: counts, 200):
        counts[:] = [(1000, 40), (500, 60)]
    written = stream.getvalue()
    assert written.count("\n") == 1 and written.endswith("\n\x1b[?25h")  # the cursor is visible again
    last = frames(stream)[-1]
    assert "1,500 rows" in last and "rows/s" in last and "50%" in last and "left" in last
    assert last.startswith("━" * 12 + " ") and last.count("━") == 12


@pytest.mark.parametrize(
    ("done", "total", "share", "filled"),
    [(0, 10, "0%", 0), (10, 10, "100%", 24), (15, 10, "150%", 24), (0, 0, "100%", 24), (3, 0, "100%", 24)],
)
def test_a_bar_never_leaves_its_frame(done, total, share, filled):
    stream = Stream(terminal=True)
    with Progress(stream).watch(lambda: [(1, done)], total):
        pass
    last = frames(stream)[-1]
    assert last.count("━") == filled and last.index("1 rows") == 25
    assert f" {share} " in last


def test_work_that_was_done_before_counts_in_the_share_and_not_in_the_speed():
    stream = Stream(terminal=True)
    with Progress(stream).watch(lambda: [(5_000, 50)], 100):
        pass
    last = frames(stream)[-1]
    assert "5,000 rows" in last and " 0 rows/s" in last and "50%" in last and "time left unknown" in last


def test_elsewhere_plain_lines_come_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_ELSEWHERE", 0.001)
    stream = Stream(terminal=False)
    with Progress(stream).watch(lambda: [(7, 1)], 4):
        assert stream.written.wait(10)
    lines = stream.getvalue().splitlines()
    assert lines and all(line.startswith("7 rows · ") and "25%" in line for line in lines)
    assert "\r" not in stream.getvalue() and "\x1b" not in stream.getvalue()


def test_a_short_job_elsewhere_leaves_no_line():
    stream = Stream(terminal=False)
    with Progress(stream).watch(lambda: [(7, 1)], 4):
        pass
    assert stream.getvalue() == ""


def test_a_status_is_a_bar_on_a_terminal_that_closes_when_the_job_is_finished():
    stream = Stream(terminal=True)
    job = Progress(stream)
    job.status(0.25, "step 1 of 4 [loss 2.5]")
    job.note("[bold]saved[/bold] step 1")
    job.status(1.0, "step 4 of 4")
    shown = frames(stream)
    assert any(frame.count("━") == 6 and frame.endswith("step 1 of 4 [loss 2.5]") for frame in shown)
    assert any("[bold]saved[/bold] step 1\n" in frame for frame in shown)  # a line above the bar, not markup
    assert shown[-1].rstrip() == "━" * 24 + " step 4 of 4"
    assert stream.getvalue().endswith("\n\x1b[?25h")


def test_a_status_elsewhere_is_a_line():
    stream = Stream(terminal=False)
    Progress(stream).status(0.25, "step 1 of 4")
    assert stream.getvalue() == "step 1 of 4\n"


def test_a_dumb_terminal_gets_no_control_codes(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Stream(terminal=True)
    with Progress(stream).watch(lambda: [(7, 1)], 4):
        pass
    assert "\r" not in stream.getvalue() and "\x1b" not in stream.getvalue()
    assert "7 rows" in stream.getvalue() and "25%" in stream.getvalue()


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
