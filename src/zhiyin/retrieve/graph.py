"""Items that share knowledge with what the user took: makers, genres, relations from a triple file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy import sparse

from zhiyin.data import Columns, Dataset
from zhiyin.errors import InputError
from zhiyin.retrieve.forgetting import ForgettingConfig, ForgettingRetriever
from zhiyin.types import Array, Queries, ScoreArray

__all__ = ["GraphRetriever"]


class GraphRetriever(ForgettingRetriever):
    """Score = cosine of the item's knowledge and that of the history.

    An item's knowledge is a vector over facts: (relation, tail) of its triples, (relation, head) of
    those that point at it, itself, and the items one triple away. A fact weighs ln(n / items that have
    it), so that what all share says nothing; the history's vector is the mean of its items', late
    events weighing more (``half_life``). Needs no behaviour of others. It is the one-step form of the
    neighbourhoods in Wang et al. (2018), "RippleNet: propagating user preferences on the knowledge graph".
    """

    Config = ForgettingConfig
    config: ForgettingConfig
    learns_more = True

    def _learn(self, train: Dataset) -> None:
        if train.triples.height == 0:
            raise InputError(
                "There are no triples",
                expected="a data set with triples",
                received="none",
                hint='Dataset.from_files(…, triples="graph.csv") with head, relation, tail.',
            )
        self.facts_: sparse.csr_array = _unit(_weighted(_facts(train)))

    def _scores(self, queries: Queries) -> ScoreArray:
        weights = self._events(queries)
        wanted = _unit(weights @ self.facts_)
        scores: ScoreArray = (wanted @ self.facts_.T).toarray().astype(np.float32)
        scores[scores == 0] = -np.inf
        return scores

    def _learn_more(self, known: Dataset) -> None:
        self.cut_ = known.cut  # events tell nothing of items here

    def _state(self) -> Mapping[str, Array]:
        facts = self.facts_
        shape = np.array(facts.shape, dtype=np.int64)
        return {"data": facts.data, "indices": facts.indices, "indptr": facts.indptr, "shape": shape}

    def _restore(self, state: Mapping[str, Array]) -> None:
        items, width = (int(size) for size in state["shape"])
        parts = (state["data"], state["indices"], state["indptr"])
        self.facts_ = sparse.csr_array(parts, shape=(items, width))


def _facts(train: Dataset) -> sparse.csr_array:
    """Which item has which fact, float32 [n_items, facts], 0 or 1."""
    triples = train.triples
    item, fact = pl.col("item"), pl.col("fact")
    forth = triples.filter(pl.col("head_item") >= 0).select(
        pl.col("head_item").alias("item"),
        pl.concat_str(pl.lit(">"), Columns.RELATION, pl.lit("\0"), Columns.TAIL).alias("fact"),
    )
    back = triples.filter(pl.col("tail_item") >= 0).select(
        pl.col("tail_item").alias("item"),
        pl.concat_str(pl.lit("<"), Columns.RELATION, pl.lit("\0"), Columns.HEAD).alias("fact"),
    )
    both = triples.filter((pl.col("head_item") >= 0) & (pl.col("tail_item") >= 0))
    ends = [
        both.select(pl.col(one).alias("item"), pl.format("={}", pl.col(other)).alias("fact"))
        for one in ("head_item", "tail_item")
        for other in ("head_item", "tail_item")
    ]
    pairs = pl.concat([forth, back, *ends]).unique().sort(item, fact)
    codes = pairs["fact"].rank("dense").to_numpy().astype(np.int64) - 1
    data = np.ones(pairs.height, dtype=np.float32)
    shape = (train.n_items, int(codes.max(initial=0)) + 1)
    return sparse.csr_array((data, (pairs["item"].to_numpy(), codes)), shape=shape)


def _weighted(facts: sparse.csr_array) -> sparse.csr_array:
    holders = np.bincount(facts.indices, minlength=facts.shape[1])
    weights = np.log(facts.shape[0] / np.maximum(holders, 1)).astype(np.float32)
    data = facts.data * weights[facts.indices]
    return sparse.csr_array((data, facts.indices, facts.indptr), shape=facts.shape)


def _unit(rows: sparse.csr_array) -> sparse.csr_array:
    """Rows of length 1; empty ones stay."""
    rows = sparse.csr_array(rows)
    norms = np.sqrt(np.asarray(rows.power(2).sum(axis=1), dtype=np.float64).ravel())
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0).astype(np.float32)
    data = rows.data * np.repeat(scale, np.diff(rows.indptr))
    return sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
