"""Record what a run has spent, over all its processes and resumes, and schedule its next request."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from core.database import Database
from core.remote.budget import Budget, BudgetSpent

FILE: Final = "spent.sqlite"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS spent (
    one INTEGER PRIMARY KEY, requests INTEGER, answers INTEGER, cached INTEGER, input_tokens INTEGER,
    output_tokens INTEGER, usd REAL, held_tokens INTEGER, held_usd REAL, next_slot REAL, paused_until REAL
);
INSERT OR IGNORE INTO spent VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
CREATE TABLE IF NOT EXISTS failures (kind TEXT PRIMARY KEY, count INTEGER);
"""
_COUNTS: Final = ("requests", "answers", "cached", "input_tokens", "output_tokens", "usd")
_WHILE_OTHERS_ARE_ASKED: Final = 0.02


@dataclass
class Spending:
    """Counts of requests sent, answers, and failures by kind. `cached` counts answers found on disk.

    Requests are counted before they are sent, so requests - answers - failures is the number that a kill cut off.
    """

    requests: int = 0
    answers: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the values for a manifest."""
        return {**asdict(self), "usd": round(self.usd, 6), "failures": dict(sorted(self.failures.items()))}


@dataclass(frozen=True, slots=True)
class Hold:
    """The part of the budget that is held back for a pending request: the most that it can cost."""

    tokens: int
    usd: float


class UsageLedger:
    """The counts in a file that all processes of a run share. `own` holds the counts of this process."""

    def __init__(self, folder: Path, budget: Budget, requests_per_minute: float = 0) -> None:
        self._database = Database(folder / FILE, _SCHEMA)
        self._budget = budget
        self._interval = 60 / requests_per_minute if requests_per_minute else 0.0
        self._count = threading.Lock()
        self.own = Spending()

    def begin_run(self, fresh: bool = False) -> None:
        """Release what a killed run held back, and reset all counts if `fresh`; the driver calls this first."""
        with self._database.writing() as connection:
            if fresh:
                connection.execute("DELETE FROM failures")
                connection.execute(f"UPDATE spent SET {', '.join(f'{name} = 0' for name in _COUNTS)}")
            connection.execute("UPDATE spent SET held_tokens = 0, held_usd = 0, next_slot = 0, paused_until = 0")

    def slot(self) -> float:
        """Take the next slot of the rate limit and return the seconds until it begins."""
        if not self._interval:
            return 0.0
        now = time.time()
        with self._database.writing() as connection:
            (next_slot,) = connection.execute("SELECT next_slot FROM spent").fetchone()
            mine = max(now, next_slot)
            connection.execute("UPDATE spent SET next_slot = ?", (mine + self._interval,))
        return float(mine - now)

    def afford(self, hold: Hold) -> None:
        """Raise BudgetSpent for a request that can never fit the budget."""
        with self._database.reading() as connection:
            values = connection.execute(
                "SELECT requests, input_tokens + output_tokens, usd, held_tokens, held_usd FROM spent"
            ).fetchone()
        self._has_to_wait(hold, *values)

    def _has_to_wait(
        self, hold: Hold, requests: int, tokens: int, usd: float, held_tokens: int, held_usd: float
    ) -> bool:
        """Return whether a request must wait for pending ones to cost less. Raise BudgetSpent if it never fits."""
        for resource, limit, spent, held, more in (
            ("requests", self._budget.requests, requests, 0, 1),
            ("tokens", self._budget.tokens, tokens, held_tokens, hold.tokens),
            ("usd", self._budget.usd, usd, held_usd, hold.usd),
        ):
            if limit is not None and spent + held + more > limit + 1e-9:
                if spent + more > limit + 1e-9 or held <= 1e-9:
                    raise BudgetSpent(resource, spent, limit)
                return True
        return False

    def begin(self, hold: Hold) -> float:
        """Book a request that is about to be sent; return 0.0, or the seconds after which to try again.

        Raises:
            BudgetSpent: the request does not fit the budget even after all pending requests are settled.
        """
        now = time.time()
        with self._database.writing() as connection:
            requests, tokens, usd, held_tokens, held_usd, paused = connection.execute(
                "SELECT requests, input_tokens + output_tokens, usd, held_tokens, held_usd, paused_until FROM spent"
            ).fetchone()
            if paused > now:
                return float(paused - now)
            if self._has_to_wait(hold, requests, tokens, usd, held_tokens, held_usd):
                return _WHILE_OTHERS_ARE_ASKED
            connection.execute(
                "UPDATE spent SET requests = requests + 1, held_tokens = held_tokens + ?, held_usd = held_usd + ?",
                (hold.tokens, hold.usd),
            )
        with self._count:
            self.own.requests += 1
        return 0.0

    def answered(self, hold: Hold, input_tokens: int, output_tokens: int, usd: float) -> None:
        """Settle a request that was answered."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE spent SET answers = answers + 1, input_tokens = input_tokens + ?, output_tokens ="
                " output_tokens + ?, usd = usd + ?, held_tokens = held_tokens - ?, held_usd = held_usd - ?",
                (input_tokens, output_tokens, usd, hold.tokens, hold.usd),
            )
        with self._count:
            self.own.answers += 1
            self.own.input_tokens += input_tokens
            self.own.output_tokens += output_tokens
            self.own.usd += usd

    def failed(self, hold: Hold, kind: str, pause: float = 0) -> None:
        """Settle a request without an answer; no process may send a request for `pause` seconds."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE spent SET held_tokens = held_tokens - ?, held_usd = held_usd - ?,"
                " paused_until = max(paused_until, ?)",
                (hold.tokens, hold.usd, time.time() + pause if pause else 0),
            )
            connection.execute(
                "INSERT INTO failures VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET count = count + 1", (kind,)
            )
        with self._count:
            self.own.failures[kind] = self.own.failures.get(kind, 0) + 1

    def found(self) -> None:
        """Count an answer found on disk; `close` writes this count to the file."""
        with self._count:
            self.own.cached += 1

    def spending(self) -> Spending:
        """Return what the whole run has spent so far."""
        with self._database.reading() as connection:
            counts = connection.execute(f"SELECT {', '.join(_COUNTS)} FROM spent").fetchone()
            failures = dict(connection.execute("SELECT kind, count FROM failures").fetchall())
        return Spending(**dict(zip(_COUNTS, counts, strict=True)), failures=failures)

    def close(self) -> None:
        with self._database.writing() as connection:
            connection.execute("UPDATE spent SET cached = cached + ?", (self.own.cached,))
        self._database.close()
