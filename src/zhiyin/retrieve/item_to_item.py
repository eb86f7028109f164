"""Methods whose knowledge is a sparse matrix from items taken to items listed; knows no way to make it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from zhiyin.retrieve.forgetting import ForgettingRetriever
from zhiyin.retrieve.selection import top_n_sparse
from zhiyin.types import Array, Candidates, Queries, ScoreArray

__all__ = ["ItemToItemRetriever"]


class ItemToItemRetriever(ForgettingRetriever):
    """Score = history times ``pairs_``, sparse float32 [n_items, n_items]; 0 is no opinion."""

    pairs_: sparse.csr_array

    def _scores(self, queries: Queries) -> ScoreArray:
        scores: ScoreArray = self._sums(queries).toarray()
        scores[scores == 0] = -np.inf
        return scores

    def _best(self, queries: Queries, n: int) -> Candidates:
        return top_n_sparse(self._sums(queries), queries, self.available_from_, self.cut_, n)

    def _sums(self, queries: Queries) -> sparse.csr_array:
        sums: sparse.csr_array = self._history(queries) @ self.pairs_
        return sums

    def _state(self) -> Mapping[str, Array]:
        return {"data": self.pairs_.data, "indices": self.pairs_.indices, "indptr": self.pairs_.indptr}

    def _restore(self, state: Mapping[str, Array]) -> None:
        n = len(state["indptr"]) - 1
        self.pairs_ = sparse.csr_array((state["data"], state["indices"], state["indptr"]), shape=(n, n))
