"""Answer requests from the cache, or send them within rate limit and budget, with retries."""

from __future__ import annotations

import contextlib
import gc
import random
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

from core import locks
from core.errors import ConfigError, UserError
from core.remote.answer import Answer, Failure, Request
from core.remote.budget import Budget
from core.remote.cache import ResponseCache
from core.remote.clients.client import Client
from core.remote.config import Account, RemoteConfig
from core.remote.usage_ledger import FILE as LEDGER_FILE
from core.remote.usage_ledger import Hold, Spending, UsageLedger

T = TypeVar("T")
R = TypeVar("R")

_LONGEST_BACKOFF: Final = 60.0
# Rows begun for each thread before the first is done: a slow row should not delay the others.
_AHEAD: Final = 32
_ROWS_A_COLLECTION: Final = 1_000


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """The settings that every work unit needs to send requests, small enough to travel with every task.

    `answers` is the folder of the cache. `spent` is the folder of the ledger that all processes of the run share. Both
    hold SQLite files, which processes of one machine can share. Workers that are `spread` over machines each keep their
    own ledger. Without a folder for answers, they lose their answers at the end of the work unit.
    """

    config: RemoteConfig
    budget: Budget
    answers: str
    spent: str
    spread: bool = False

    @classmethod
    def of(cls, config: RemoteConfig, budget: Budget, out: Path, *, spread: bool = False) -> RemoteJob:
        """Return the job of a run that writes to `out`, a folder on this machine unless the run is `spread`.

        Raises:
            ConfigError: the run has a budget, but several machines or a remote folder.
        """
        elsewhere = "://" in str(out)
        if (spread or elsewhere) and budget != Budget():
            raise ConfigError(
                "--budget holds for the processes of one machine: leave it out, or run without --runner and with --out "
                "on this machine"
            )
        answers = Path(config.cache).expanduser().absolute() if config.cache else out.absolute() / "answers"
        forget = (spread or elsewhere) and not config.cache
        return cls(
            config,
            budget,
            "" if forget else str(answers),
            "" if spread or elsewhere else str(out.absolute() / "answers"),
            spread or elsewhere,
        )

    def begin(self, out: Path, fresh: bool = False) -> None:
        """Release what a killed run held back; the driver calls this before the work.

        A `fresh` run starts with nothing spent, but keeps the answers on disk.

        Raises:
            OutputError: another run is writing to `out`.
        """
        if self.has_spent:  # otherwise write nothing: the folder may belong to another command
            with locks.locked(out), contextlib.closing(UsageLedger(Path(self.spent), self.budget)) as ledger:
                ledger.begin_run(fresh)

    @property
    def has_spent(self) -> bool:
        """Whether a ledger exists: on one machine it does, from the first request on."""
        return bool(self.spent) and (Path(self.spent) / LEDGER_FILE).exists()

    def spending(self) -> Spending:
        """Return what the run has spent, with all its resumes; zero without a ledger."""
        if not self.has_spent:
            return Spending()
        with contextlib.closing(UsageLedger(Path(self.spent), self.budget)) as ledger:
            return ledger.spending()


class Halted(Exception):
    """The exception of a thread that gives up because another thread has stopped the run."""


class Session:
    """The cache, the ledger and the threads of one work unit."""

    def __init__(self, job: RemoteJob) -> None:
        self.config = job.config
        self.halt = threading.Event()
        with contextlib.ExitStack() as stack:
            own = stack.enter_context(tempfile.TemporaryDirectory(prefix="glotmill-")) if job.spread else ""
            self.cache = stack.enter_context(contextlib.closing(ResponseCache(Path(job.answers or own))))
            ledger = UsageLedger(Path(job.spent or own), job.budget, job.config.requests_per_minute)
            self.ledger = stack.enter_context(contextlib.closing(ledger))
            self._stack = stack.pop_all()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def remote(self, client: Client, account: Account) -> Remote:
        """Return access to one server, closed with the session."""
        self._stack.callback(client.close)
        return Remote(self, client, account)

    def in_order(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield `function` of each item in the order of items, with as many threads as the configuration sets.

        Items are read as they are needed. An error in one item stops all items, once the pending requests have ended.
        It is raised at its place in the order.
        """
        threads = self.config.concurrency
        self.halt.clear()  # the caller may have handled the last error, by a retry row by row
        waiting: deque[Future[R]] = deque()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="glotmill-remote")
        try:
            for number, item in enumerate(items):
                waiting.append(pool.submit(function, item))
                if number % _ROWS_A_COLLECTION == 0:
                    gc.collect(1)  # collection is off while a work unit runs; exceptions and HTTP leave cycles
                if len(waiting) >= threads * _AHEAD or waiting[0].done():
                    yield self._result(waiting)
            while waiting:
                yield self._result(waiting)
        finally:
            if waiting:  # the caller stopped reading results
                self.halt.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _result(self, waiting: deque[Future[R]]) -> R:
        try:
            result = waiting[0].result()
        except BaseException as error:
            self.halt.set()
            raise self._cause(error, waiting) from None
        waiting.popleft()
        return result

    def _cause(self, error: BaseException, waiting: Iterable[Future[R]]) -> BaseException:
        """Return the error that stopped the run, if `error` only says that another thread stopped it."""
        if isinstance(error, Halted):
            for future in waiting:
                if not future.cancel() and (other := future.exception()) and not isinstance(other, Halted):
                    return other
        return error


class Remote:
    """One server, which any number of threads may ask through a session."""

    def __init__(self, session: Session, client: Client, account: Account) -> None:
        self._session, self._client, self._prices = session, client, account.usd_per_million
        self._flights: dict[str, threading.Event] = {}
        self._turn = threading.Lock()
        self._unanswered = 0

    def ask(self, request: Request) -> Answer:
        """Return the answer to a request, from disk if it is there; a second thread with the same request waits.

        Raises:
            Failure: this request has no answer after all retries.
            UserError: no request can be answered.
        """
        key = request.key(self._client.server)
        with self._alone(key):
            cached = self._session.cache.get(key)
            if cached is not None:
                self._session.ledger.found()
                return cached
            answer = self._answer(request)
            self._session.cache.put(key, answer)
            return answer

    @contextlib.contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        while True:
            with self._turn:
                landed = self._flights.get(key)
                if landed is None:
                    landed = self._flights[key] = threading.Event()
                    break
            landed.wait()
        try:
            yield
        finally:
            with self._turn:
                del self._flights[key]
            landed.set()

    def _answer(self, request: Request) -> Answer:
        config, tries = self._session.config, 0
        while True:
            try:
                return self._try(request)
            except Failure as failure:
                if failure.fatal:
                    self._session.halt.set()
                    raise UserError(f"{self._client.server} refuses every request: {failure}") from None
                if failure.again and (failure.retry_after or 0) > config.longest_wait:
                    self._session.halt.set()
                    raise UserError(
                        f"{self._client.server} asks to wait for {failure.retry_after:,.0f} seconds ({failure}): run "
                        "the same command again later, or raise remote.longest_wait"
                    ) from None
                if not failure.again or tries >= config.retries:
                    self._note_unanswered(failure)
                    raise
                self._wait(max(failure.retry_after or 0.0, self._backoff(tries)))
                tries += 1

    def _backoff(self, tries: int) -> float:
        """Return the seconds before a retry: doubled each time, less up to half at random to spread threads."""
        return min(_LONGEST_BACKOFF, self._session.config.backoff * 2.0**tries) * random.uniform(0.5, 1.0)

    def _try(self, request: Request) -> Answer:
        """Send the request once, when rate limit and budget allow it."""
        ledger = self._session.ledger
        most_in, most_out = request.input_tokens, request.most_tokens
        hold = Hold(most_in + most_out, self._prices.cost(most_in, most_out))
        ledger.afford(hold)  # fail before a long wait in the queue
        self._wait(ledger.slot())
        while wait := ledger.begin(hold):
            self._wait(wait)
        try:
            answer = self._client.send(request)
        except BaseException as error:
            failure = error if isinstance(error, Failure) else None
            pause = (failure.retry_after or 0.0) if failure else 0.0
            ledger.failed(
                hold, failure.kind if failure else "interrupted", min(pause, self._session.config.longest_wait)
            )
            raise
        cost = self._prices.cost(answer.input_tokens, answer.output_tokens)
        ledger.answered(hold, answer.input_tokens, answer.output_tokens, cost)
        self._unanswered = 0
        return answer

    def _wait(self, seconds: float) -> None:
        if self._session.halt.wait(seconds):
            raise Halted

    def _note_unanswered(self, failure: Failure) -> None:
        """Stop the run after too many requests in a row without an answer."""
        if not failure.again:
            return  # the server rejected this request only
        with self._turn:
            self._unanswered += 1
            enough = self._unanswered >= self._session.config.give_up_after
        if enough:
            self._session.halt.set()
            raise UserError(
                f"{self._client.server} has not answered {self._unanswered} requests in a row, after "
                f"{self._session.config.retries} retries each; the last: {failure}. Finished work is kept: run the "
                "same command again when the server is back"
            ) from None
