import contextlib
import multiprocessing
import sqlite3
import threading
import time

import pytest

from core.database import Database
from core.errors import OutputError

SCHEMA = "CREATE TABLE IF NOT EXISTS rows (number INTEGER)"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder/rows.sqlite"


def rows(path):
    with contextlib.closing(Database(path, SCHEMA)) as database, database.reading() as connection:
        return [number for (number,) in connection.execute("SELECT number FROM rows ORDER BY number")]


def add(path, *numbers):
    with contextlib.closing(Database(path, SCHEMA)) as database:
        for number in numbers:
            with database.writing() as connection:
                connection.execute("INSERT INTO rows VALUES (?)", (number,))


def test_processes_that_open_a_new_file_at_once_all_write_to_it(path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    processes = [context.Process(target=_add_together, args=(barrier, path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert rows(path) == list(range(80))


def _add_together(barrier, path, number):
    barrier.wait(50)
    for start in range(number * 20, number * 20 + 20, 5):
        add(path, *range(start, start + 5))


def test_a_new_file_that_another_is_writing_is_waited_for(path):
    path.parent.mkdir()
    other = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    other.execute("CREATE TABLE other (a)")
    # The journal changes its kind once the other is done, and SQLite does not wait for that by itself.
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO other VALUES (1)")
    begun = time.monotonic()
    timer = threading.Timer(0.3, other.execute, ["COMMIT"])
    timer.start()
    add(path, 1)
    assert time.monotonic() >= begun + 0.2
    timer.join()
    other.close()
    assert rows(path) == [1]


def test_what_ends_in_an_error_is_undone_and_the_next_is_written(path):
    with contextlib.closing(Database(path, SCHEMA)) as database:
        with pytest.raises(ZeroDivisionError), database.writing() as connection:
            connection.execute("INSERT INTO rows VALUES (1)")
            raise ZeroDivisionError
        with database.writing() as connection:
            connection.execute("INSERT INTO rows VALUES (2)")
    assert rows(path) == [2]


def test_threads_take_turns(path):
    with contextlib.closing(Database(path, SCHEMA)) as database:

        def write(start):
            for number in range(start, start + 50):
                with database.writing() as connection:
                    connection.execute("INSERT INTO rows VALUES (?)", (number,))

        threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 200, 50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert rows(path) == list(range(200))


def test_a_disk_that_is_full_is_told_and_nothing_is_half_written(path):
    # SQLite's own limit of a file ends a transaction as a full disk does.
    with contextlib.closing(Database(path, f"{SCHEMA}; PRAGMA max_page_count = 3", "make room")) as database:
        told = pytest.raises(OutputError, match=r"rows\.sqlite cannot be used \(.*full\): make room")
        with told, database.writing() as connection:
            connection.executemany("INSERT INTO rows VALUES (?)", [(number,) for number in range(5_000)])
        with database.writing() as connection:
            connection.execute("INSERT INTO rows VALUES (7)")
    assert rows(path) == [7]


def test_a_file_that_is_no_database_is_named(path):
    path.parent.mkdir()
    path.write_text("no database, whatever its name says" * 50)
    with pytest.raises(OutputError, match=r"rows\.sqlite cannot be used \(file is not a database\): it needs"):
        Database(path, SCHEMA)
