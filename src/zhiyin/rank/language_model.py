"""Ranks candidates by what a language model says of them, beside the retrieval score.

Ways to ask: the difference of the yes and no logits after "will they buy it?", the likelihood of the
title after the history divided by its likelihood after no history, the letter of an item in a list shown in
several orders, or, with an adapter, the short form that it was tuned on. Validation chooses the way and the
weight; a weight of zero leaves the retrieval order as it is.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from zhiyin import config
from zhiyin.artifacts import read_json, write_frame, write_text
from zhiyin.caches import ArrayCache, content_key
from zhiyin.config import parse
from zhiyin.errors import ConfigError, InputError, NotFittedError
from zhiyin.lm import cache_folder, load_language_model
from zhiyin.lm.tuning import keeping
from zhiyin.logs import get_logger, progress
from zhiyin.rank.asking import LETTERS, Asking, make_asking
from zhiyin.rank.blend import Blend, fit_blend, standardise
from zhiyin.rank.calibration import Sigmoid
from zhiyin.rank.company import Company, in_words
from zhiyin.rank.ordering import reorder_head
from zhiyin.rank.titles import readable
from zhiyin.types import (
    BoolArray,
    Candidates,
    FloatArray,
    IntArray,
    LanguageModel,
    Queries,
    RankingExamples,
    ScoreArray,
)

__all__ = ["LanguageModelRanker"]

log = get_logger("rank")
SCORE, CHANCE, LATE = "rank.language-model", "rank.language-model.taken", "rank.out_of_time"
BLOCK, HISTORY = 5, 12
NOTHING_LEARNED = Blend(weight=0.0, low=0.0, high=1.0, gain=0.0, users=0)


class LanguageModelRanker:
    """Re-orders the first ``depth`` candidates; the tail keeps its order.

    Features of the result: ``rank.language-model`` float32 [U, n], the raw score, NaN where none
    was computed; ``rank.language-model.taken`` float32 [U, n], the probability that the item is taken,
    calibrated on validation (``Sigmoid``), NaN where nothing could be learned; ``rank.out_of_time``
    bool [U, n], rows that keep their order because the time budget ran out.
    """

    class Config(config.Config):
        """What to ask of which model, over how many candidates.

        ``adapter``: folder that ``zhiyin tune`` wrote for this model; ``scale`` in [0, 1]: how much of it,
        None: as the folder says. ``scoring`` "auto": as the adapter was tuned, else chosen on validation.
        ``weight`` None: learned on validation. ``orders``: in how many the list is shown for "letters", of
        at most 52 candidates.
        ``company``: how many of ten people with the same taste took an item is said beside its name, except
        to "likelihood"; None: where the adapter was tuned so.
        ``examples``: validation users to learn from. ``time_budget``: seconds a call may take,
        None: no limit. ``history``: newest items shown to the model; None: as many as the adapter was tuned
        with, else 12.
        """

        model: str = "smollm2-135m"
        dtype: Literal["float32", "bfloat16"] = "float32"
        adapter: str | None = None
        scale: float | None = Field(default=None, ge=0, le=1)
        depth: int = Field(default=20, ge=2)
        scoring: Literal["auto", "yes-no", "likelihood", "letters", "timeline"] = "auto"
        orders: int = Field(default=4, ge=1)
        company: bool | None = None
        weight: float | None = Field(default=None, ge=0, le=1)
        examples: int = Field(default=60, ge=1)
        history: int | None = Field(default=None, ge=1)
        language: Literal["en", "zh"] = "en"
        scenario: str = "retail"
        time_budget: float | None = Field(default=None, gt=0)
        seed: int = Field(default=7, ge=0)

        @model_validator(mode="after")
        def _letters(self) -> Self:
            if self.scoring == "letters" and self.depth > len(LETTERS):
                raise ValueError(f"letters ask about {len(LETTERS)} candidates at most, set depth")
            return self

    WAYS: ClassVar[tuple[str, ...]] = ("yes-no", "likelihood")

    def __init__(self, **params: Any) -> None:
        self.config = parse(self.Config, params, where="The ranker LanguageModelRanker")
        self.titles_: tuple[str, ...] | None = None
        self.prices_: FloatArray = np.empty(0)
        self.scoring_: str = "yes-no"
        self.blend_: Blend | None = None
        self.trials_: dict[str, Blend] = {}
        self.chances_: Sigmoid | None = None
        self.company_: Company | None = None
        self._model: LanguageModel | None = None
        self._base: LanguageModel | None = None
        self._own_adapter: Path | None = None
        self._about: Mapping[str, Any] | None = None

    @property
    def weight(self) -> float:
        """Weight of the language model's score, in [0, 1]."""
        if self.config.weight is not None:
            return self.config.weight
        # A weight that cannot be told from zero is zero: the model is slow, and its noise is not free.
        blend = self.blend_
        return blend.weight if blend is not None and blend.low > 0 else 0.0

    def fit(self, examples: RankingExamples) -> Self:
        """Choose the way to ask and learn the weight; 0 where nobody took a candidate.

        Raises
        ------
        ModelError
            When the model cannot be loaded or run.
        """
        self.titles_, self.prices_ = examples.titles, examples.prices
        self._check_time(examples.queries)
        self.company_ = self._company(examples)
        head = examples.candidates.head(self.config.depth)
        labels = examples.labels[:, : self.config.depth]
        present = head.items >= 0
        first = standardise(head.scores.astype(np.float64), present)
        ways: tuple[str, ...] = (self.config.scoring,)
        if self.config.scoring == "auto":
            ways = self.WAYS if self.config.adapter is None else ("timeline",)
        taken = labels & present
        if not (taken.any(axis=1) & (present & ~taken).any(axis=1)).any():
            log.warning("nobody took a candidate: the language model gets no weight", users=len(labels))
            self.scoring_, self.blend_, self.trials_, self.chances_ = ways[0], NOTHING_LEARNED, {}, None
            return self
        self.trials_, seconds = {}, {}
        for way in ways:
            raw = self._ask(way, examples.queries, head, budget=None)
            seconds[way] = standardise(raw, present)
            self.trials_[way] = fit_blend(first, seconds[way], labels, present, seed=self.config.seed)
            log.info("weight of the language model", way=way, weight=str(self.trials_[way]))
        self.scoring_ = max(self.trials_, key=lambda way: self.trials_[way].gain)
        self.blend_ = self.trials_[self.scoring_]
        mixed = (1 - self.weight) * first + self.weight * seconds[self.scoring_]
        self.chances_ = Sigmoid.fit(mixed[present], labels[present])
        return self

    def rank(self, queries: Queries, candidates: Candidates) -> Candidates:
        """The same items of each row, the head re-ordered.

        Raises
        ------
        NotFittedError, ModelError
        """
        return self._rank(queries, candidates, self.weight)

    def alone(self, queries: Queries, candidates: Candidates) -> Candidates:
        """The order by the language model's score alone, to measure what it says by itself.

        Raises
        ------
        NotFittedError, ModelError
        """
        return self._rank(queries, candidates, 1.0)

    def _rank(self, queries: Queries, candidates: Candidates, weight: float) -> Candidates:
        if self.titles_ is None:
            raise NotFittedError("LanguageModelRanker")
        raw, chances = (np.full(candidates.items.shape, np.nan, dtype=np.float32) for _ in range(2))
        late = np.zeros(candidates.items.shape, dtype=bool)
        features = {**candidates.features, SCORE: raw, CHANCE: chances, LATE: late}
        told = Candidates(candidates.items, candidates.scores, features)
        if len(queries) == 0:
            return told
        head = candidates.head(self.config.depth)
        present = head.items >= 0
        mixed = standardise(head.scores.astype(np.float64), present)
        unasked: BoolArray = np.zeros(len(present), dtype=bool)
        if weight > 0:
            scores = self._ask(self.scoring_, queries, head, budget=self.config.time_budget)
            raw[:, : scores.shape[1]] = scores
            unasked = np.asarray(np.isnan(scores).all(axis=1))
            late[unasked & present.any(axis=1)] = True
            mixed = (1 - weight) * mixed + weight * standardise(scores, present & ~np.isnan(scores))
        if self.chances_ is not None and weight == self.weight:
            shown = present & ~unasked[:, None]
            chances[:, : mixed.shape[1]] = np.where(shown, self.chances_(mixed), np.nan)
        if weight == 0:
            return told
        mixed = np.where(present, mixed, -np.inf)
        mixed[unasked] = -np.arange(mixed.shape[1])
        return reorder_head(told, mixed)

    def _ask(self, way: str, queries: Queries, head: Candidates, *, budget: float | None) -> FloatArray:
        """Raw scores of the head, float64 [U, depth]; rows that the budget did not reach are NaN."""
        deadline = np.inf if budget is None else time.monotonic() + budget
        asking = self._asking(way)
        scores = np.full(head.items.shape, np.nan)
        for row in progress(range(len(queries)), f"language model ({way})"):
            items = head.items[row][head.items[row] >= 0]
            past = queries.histories.slice(row)
            wanted = self._told(way, queries.histories.items[past], items)
            shown = self._past(queries.histories.items[past], queries.histories.values[past])
            found = self._scores(asking, *shown, wanted, queries.texts[row], deadline)
            if found is None:
                log.warning("time budget exceeded", seconds=budget, left=len(queries) - row)
                break
            scores[row, : len(items)] = found
        return scores

    def _company(self, examples: RankingExamples) -> Company | None:
        about = self._tuned()
        wanted = bool(about.get("company")) if self.config.company is None else self.config.company
        if not wanted:
            return None
        if examples.others is None:
            raise InputError("Nobody's company is known", expected="examples with others", received="none")
        return Company(examples.others, len(examples.titles))

    def _told(self, way: str, history: IntArray, items: IntArray) -> list[str]:
        """Candidates by name, with their company where it is told."""
        wanted = [(self.titles_ or ())[item] for item in items]
        if self.company_ is None or way == "likelihood":
            return wanted
        shares = self.company_.shares(history, items)
        pairs = zip(wanted, shares, strict=True)
        return [in_words(readable(title), share, self.config.language) for title, share in pairs]

    def _past(self, items: IntArray, values: ScoreArray) -> tuple[list[str], list[bool] | None]:
        """The newest of a history by name; where the adapter was tuned on likes, which of it are liked."""
        titles, about = self.titles_ or (), self._tuned()
        newest = self.config.history or int(about.get("history", HISTORY))
        known = np.flatnonzero((items >= 0) & (items < len(titles)))[-newest:]
        likes = about.get("likes")
        liked = None if likes is None else (values[known] >= likes).tolist()
        return [titles[item] for item in items[known]], liked

    def _scores(
        self,
        asking: Asking,
        history: list[str],
        liked: list[bool] | None,
        wanted: list[str],
        text: str | None,
        deadline: float,
    ) -> FloatArray | None:
        """Scores of one user's candidates, from the cache where they are; None: out of time."""
        cache = ArrayCache(cache_folder() / "scores", max_bytes=256 << 20)
        key = content_key(asking.version, history, liked, wanted, text)
        found = cache.get(key)
        if found is not None and len(found) == len(wanted):
            return found
        # With a deadline the candidates are asked about in blocks; the prefix is computed once.
        block = len(wanted) if deadline == np.inf or asking.together else BLOCK
        parts = [np.empty(0)]
        for start in range(0, len(wanted), max(block, 1)):
            if time.monotonic() > deadline:
                return None
            parts.append(asking.scores(history, wanted[start : start + block], text, liked))
        found = np.concatenate(parts)
        cache.put(key, found)
        return found

    def _asking(self, way: str) -> Asking:
        # Held here: a loaded model lives as long as somebody holds it.
        if self._model is None:
            adapter = self._adapter()
            self._model = load_language_model(
                self.config.model, dtype=self.config.dtype, adapter=adapter, scale=self.config.scale
            )
            if self._tuned().get("beyond"):
                self._base = load_language_model(self.config.model, dtype=self.config.dtype)
        own = self.config
        return make_asking(way, self._model, own.language, own.scenario, orders=own.orders, base=self._base)

    def _tuned(self) -> Mapping[str, Any]:
        """What tuning.json says of the adapter; it must have been tuned for the same prompts.

        Raises
        ------
        ConfigError
        """
        if self._about is not None:
            return self._about
        adapter = self._adapter()
        if adapter is None:
            return {}
        about = keeping.told(adapter)
        for name in ("language", "scenario", "company"):
            tuned, own = about.get(name), getattr(self.config, name)
            if tuned is not None and own is not None and tuned != own:
                raise ConfigError(
                    f"The adapter {adapter} was tuned for another {name}",
                    expected=f"{name} = {tuned}",
                    received=str(own),
                    hint=f"Set {name} to {tuned}, or tune again.",
                )
        self._about = about
        return about

    def _check_time(self, queries: Queries) -> None:
        """Warn where the weight is learned from what has taught the adapter: there it looks too good."""
        until = self._tuned().get("learned_until")
        if until is None or queries.times is None or not (queries.times < float(until)).any():
            return
        log.warning(
            "the adapter has learned from events that its weight is learned from: the weight is too high",
            adapter=str(self._adapter()),
            learned_until=until,
            asked_at=float(queries.times.min()),
        )

    def _adapter(self) -> Path | None:
        """Where the adapter lies: a loaded ranker has a copy of its own."""
        if self.config.adapter is None:
            return None
        return Path(self.config.adapter) if self._own_adapter is None else self._own_adapter

    def save(self, folder: Path) -> None:
        """Write config.json, learned.json, items.parquet, a copy of the adapter into an existing folder."""
        if self.titles_ is None:
            raise NotFittedError("LanguageModelRanker")
        write_text(folder / "config.json", self.config.model_dump_json(indent=1))
        trials = {way: asdict(blend) for way, blend in self.trials_.items()}
        write_text(
            folder / "learned.json",
            json.dumps(
                {
                    "scoring": self.scoring_,
                    "trials": trials,
                    "chances": None if self.chances_ is None else asdict(self.chances_),
                },
                indent=1,
            ),
        )
        items = pl.DataFrame({"title": list(self.titles_), "price": self.prices_})
        write_frame(folder / "items.parquet", items)
        if self.company_ is not None:
            self.company_.save(folder)
        adapter = self._adapter()
        if adapter is not None:
            shutil.copytree(adapter, folder / "adapter")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        ranker = cls(**read_json(folder / "config.json"))
        if ranker.config.adapter is not None:
            ranker._own_adapter = folder / "adapter"
        learned = read_json(folder / "learned.json")
        ranker.trials_ = {way: Blend(**blend) for way, blend in learned["trials"].items()}
        ranker.scoring_ = learned["scoring"]
        ranker.blend_ = ranker.trials_.get(ranker.scoring_)
        if learned["chances"] is not None:
            ranker.chances_ = Sigmoid(**learned["chances"])
        items = pl.read_parquet(folder / "items.parquet")
        ranker.titles_ = tuple(items["title"].to_list())
        ranker.prices_ = items["price"].to_numpy()
        if (folder / "company.parquet").is_file():
            ranker.company_ = Company.load(folder, len(ranker.titles_))
        return ranker
