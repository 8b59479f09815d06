"""Asking: out of the cache, or over the network within rate limit and budget, again where it failed."""

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
from core.remote.cache import Cache
from core.remote.clients.client import Client
from core.remote.config import Account, RemoteConfig
from core.remote.usage_ledger import FILE as LEDGER_FILE
from core.remote.usage_ledger import Hold, Spending, UsageLedger

T = TypeVar("T")
R = TypeVar("R")

_LONGEST_BACKOFF: Final = 60.0
# Rows begun before the first of them is done: one that hangs should not keep the others waiting.
_AHEAD: Final = 32
_ROWS_A_COLLECTION: Final = 1_000


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """What every piece of work knows of how servers are asked: small enough to travel with every task.

    `answers` is the folder of the cache, `spent` the one where all processes of the run count what they spend. Both
    are files of SQLite, which processes of one machine can share. Workers that are `spread` over machines each count
    for themselves, and without a folder for answers forget them at the end of their piece of work.
    """

    config: RemoteConfig
    budget: Budget
    answers: str
    spent: str
    spread: bool = False

    @classmethod
    def of(cls, config: RemoteConfig, budget: Budget, out: Path, *, spread: bool = False) -> RemoteJob:
        """The job of a run that writes to `out`, a folder of this machine unless it is `spread`.

        ConfigError for what cannot hold on several machines, or in a folder that is on none.
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
        """To be called by the driver before the work: lets go what a killed run kept back. A `fresh` run has spent
        nothing yet; answers that were paid for stay. OutputError where another run is at work in `out`.
        """
        if self.has_spent:  # else nothing is written: the folder may turn out to be somebody else's
            with locks.locked(out), contextlib.closing(UsageLedger(Path(self.spent), self.budget)) as ledger:
                ledger.begin_run(fresh)

    @property
    def has_spent(self) -> bool:
        """Whether there is an account of what was spent: on one machine there is, from the first question on."""
        return bool(self.spent) and (Path(self.spent) / LEDGER_FILE).exists()

    def spending(self) -> Spending:
        """What the run has spent, with all its resumes; nothing where there is no account of it."""
        if not self.has_spent:
            return Spending()
        with contextlib.closing(UsageLedger(Path(self.spent), self.budget)) as ledger:
            return ledger.spending()


class Halted(Exception):
    """Raised in a thread that gives up because another one has stopped the run."""


class Session:
    """The cache, the ledger and the threads of one piece of work."""

    def __init__(self, job: RemoteJob) -> None:
        self.config = job.config
        self.halt = threading.Event()
        with contextlib.ExitStack() as stack:
            own = stack.enter_context(tempfile.TemporaryDirectory(prefix="glotmill-")) if job.spread else ""
            self.cache = stack.enter_context(contextlib.closing(Cache(Path(job.answers or own))))
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
        """The way to one server; closed with the session."""
        self._stack.callback(client.close)
        return Remote(self, client, account)

    def in_order(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """`function` of each item, in their order, on as many at once as the configuration says.

        Items are taken as they are needed. An error of one stops all, as soon as what is on its way has arrived; it is
        raised when its turn comes.
        """
        threads = self.config.concurrency
        self.halt.clear()  # an error that its caller survives, by asking row by row, is over
        waiting: deque[Future[R]] = deque()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="glotmill-remote")
        try:
            for number, item in enumerate(items):
                waiting.append(pool.submit(function, item))
                if number % _ROWS_A_COLLECTION == 0:
                    gc.collect(1)  # it is off while a piece of work runs; exceptions and HTTP leave cycles
                if len(waiting) >= threads * _AHEAD or waiting[0].done():
                    yield self._result(waiting)
            while waiting:
                yield self._result(waiting)
        finally:
            if waiting:  # whoever takes the results has had enough
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
        """The error that stopped the run, where this one is only of a thread that stopped with it."""
        if isinstance(error, Halted):
            for future in waiting:
                if not future.cancel() and (other := future.exception()) and not isinstance(other, Halted):
                    return other
        return error


class Remote:
    """One server, asked through a session by any number of threads."""

    def __init__(self, session: Session, client: Client, account: Account) -> None:
        self._session, self._client, self._prices = session, client, account.usd_per_million
        self._flights: dict[str, threading.Event] = {}
        self._turn = threading.Lock()
        self._unanswered = 0

    def ask(self, request: Request) -> Answer:
        """The answer to a request, sent unless it is on disk; a second thread with the same request waits for it.

        Failure where this request has none after all retries. UserError where no request will have one.
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
        """Twice as long each time, and by chance up to half less, so that threads do not come back all at once."""
        return min(_LONGEST_BACKOFF, self._session.config.backoff * 2.0**tries) * random.uniform(0.5, 1.0)

    def _try(self, request: Request) -> Answer:
        """Sends the request once, when rate limit and budget let it."""
        ledger = self._session.ledger
        most_in, most_out = request.input_tokens, request.most_tokens
        hold = Hold(most_in + most_out, self._prices.cost(most_in, most_out))
        ledger.afford(hold)  # a place in the queue may be far off
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
        """Stops the run where nothing is answered any more."""
        if not failure.again:
            return  # it was this request that the server did not like
        with self._turn:
            self._unanswered += 1
            enough = self._unanswered >= self._session.config.give_up_after
        if enough:
            self._session.halt.set()
            raise UserError(
                f"{self._client.server} has not answered {self._unanswered} requests in a row, after "
                f"{self._session.config.retries} retries each; the last: {failure}. What is done is kept: run the same "
                "command again when the server is there"
            ) from None
