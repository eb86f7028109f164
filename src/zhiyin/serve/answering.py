"""One thread that answers: wishes that wait together are answered together.

While a batch is computed the next one gathers, so that a busy server spends less on each request
and an idle one waits for nothing. A slate is handed out only when its decision is committed.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from zhiyin.errors import StoreError
from zhiyin.pipeline import Ask, Trace
from zhiyin.serve.versions import Current, Versions
from zhiyin.store import Request, Shown, Store
from zhiyin.types import Candidates, Decision, Queries

__all__ = ["Answer", "Answering"]

WAITING = 2_000


@dataclass(frozen=True, eq=False)
class Answer:
    """Slates for one request: ``rows`` of the batch in which it was answered."""

    id: str
    time: float
    asks: tuple[Ask, ...]
    k: int
    rows: range
    queries: Queries
    trace: Trace
    current: Current


@dataclass(eq=False)
class _Job:
    asks: tuple[Ask, ...]
    k: int
    done: Future[Answer] = field(default_factory=Future)


class Answering:
    """Answers jobs in batches of at most ``batch`` asks."""

    def __init__(self, versions: Versions, store: Store, *, batch: int = 64) -> None:
        self.versions, self.store, self.batch = versions, store, batch
        self._queue: queue.Queue[_Job | None] = queue.Queue(maxsize=WAITING)
        self._left: _Job | None = None
        self._thread = threading.Thread(target=self._run, name="zhiyin-answering", daemon=True)
        self._thread.start()

    def submit(self, asks: Sequence[Ask], k: int) -> Future[Answer]:
        """Queue a request; the future holds the answer when its decisions are kept.

        Raises
        ------
        StoreError
            When too many wait.
        """
        job = _Job(tuple(asks), k)
        # From here on nobody can cancel it: a client who goes away must not stop the thread.
        job.done.set_running_or_notify_cancel()
        try:
            self._queue.put_nowait(job)
        except queue.Full as error:
            raise StoreError("The server is overloaded", hint="Send less, or add workers.") from error
        return job.done

    def close(self) -> None:
        """Answer what is queued, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._left or self._queue.get()
            self._left = None
            if first is None:
                return
            jobs = self._gather(first)
            try:
                self._answer(jobs)
            except Exception as error:
                for job in jobs:
                    if not job.done.done():
                        job.done.set_exception(error)

    def _gather(self, first: _Job) -> list[_Job]:
        jobs, size = [first], len(first.asks)
        while size < self.batch:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._queue.put(None)
                break
            if size + len(job.asks) > self.batch or self._kind(job) != self._kind(first):
                self._left = job
                break
            jobs.append(job)
            size += len(job.asks)
        return jobs

    def _kind(self, job: _Job) -> tuple[bool, int]:
        """What a batch has in common: what is excluded, and how many candidates are retrieved."""
        candidates = self.versions.current.live.recommender.recipe.candidates
        return job.asks[0].exclude_seen, max(candidates, job.k)

    def _answer(self, jobs: list[_Job]) -> None:
        current = self.versions.refresh()
        live, now = current.live, time.time()
        asks = [ask for job in jobs for ask in job.asks]
        histories = self.store.histories(
            [ask.user for ask in asks],
            [ask.session for ask in asks],
            types=live.event_codes,
            weights=live.event_weights,
        )
        queries, trace = live.answer(asks, histories, k=max(job.k for job in jobs), now=now)
        answers, start = [], 0
        for job in jobs:
            rows = range(start, start + len(job.asks))
            start = rows.stop
            answers.append(Answer(secrets.token_hex(8), now, job.asks, job.k, rows, queries, trace, current))
        kept = self.store.add_requests_later([_request(answer) for answer in answers])
        kept.add_done_callback(_hand_over(jobs, answers))
        # Both threads want the interpreter: computing the next batch now would only delay this answer.
        kept.exception()


def _hand_over(jobs: Sequence[_Job], answers: Sequence[Answer]) -> Callable[[Future[None]], None]:
    def finish(kept: Future[None]) -> None:
        error = kept.exception()
        for job, answer in zip(jobs, answers, strict=True):
            if error is not None:
                job.done.set_exception(error)
            else:
                job.done.set_result(answer)

    return finish


def _request(answer: Answer) -> Request:
    trace, candidates = answer.trace, answer.trace.candidates
    names = tuple(candidates.features)
    return Request(
        id=answer.id,
        time=answer.time,
        model=answer.current.name,
        k=answer.k,
        shown=tuple(_shown(answer, row, ask) for row, ask in zip(answer.rows, answer.asks, strict=True)),
        features=("score", *(name for name in names if candidates.features[name].ndim == 2)),
        milliseconds=trace.milliseconds,
        notes=trace.notes,
    )


def _shown(answer: Answer, row: int, ask: Ask) -> Shown:
    slates, candidates = answer.trace.slates, answer.trace.candidates
    items = slates.items[row, : answer.k]
    filled = int((items >= 0).sum())  # empty places are at the end
    pool = candidates.items[row]
    decision = Decision(
        id=slates.ids[row],
        time=answer.time,
        user=ask.user,
        scenario=ask.scenario,
        policy=slates.policy,
        pool=pool[pool >= 0],
        items=items[:filled],
        conditional=slates.conditional[row, :filled],
        marginal=slates.marginal[row, :filled],
        features=_features(candidates, row, items[:filled]),
    )
    return Shown(decision, ask.session, ask.text, ask.context)


def _features(candidates: Candidates, row: int, items: np.ndarray) -> np.ndarray:
    """Score and features of what was shown, float32 [k, d]."""
    places = np.argmax(candidates.items[row] == items[:, None], axis=1)
    columns = [candidates.scores[row, places]]
    columns += [values[row, places] for values in candidates.features.values() if values.ndim == 2]
    return np.stack(columns, axis=1).astype(np.float32)
