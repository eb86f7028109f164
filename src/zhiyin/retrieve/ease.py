"""A linear item-to-item model with a closed form: small, fast, hard to beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field
from scipy import linalg, sparse
from sklearn.utils.extmath import randomized_svd

from zhiyin.data import Catalogue, Dataset
from zhiyin.logs import get_logger
from zhiyin.nesting import behind, under
from zhiyin.retrieve.forgetting import FadingConfig, ForgettingRetriever
from zhiyin.retrieve.newcomers import Newcomers
from zhiyin.types import Array, IntArray, Queries, ScoreArray

__all__ = ["EASERetriever"]

log = get_logger("retrieve")

NOISE = 2.0  # in what is told of newcomers
NEWCOMERS = "newcomers."


class EASERetriever(ForgettingRetriever):
    """Score = history times B, with B = I - P / diag(P), P = (X'X + lambda I)^-1, diag(B) = 0.

    Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8. Memory grows with the square of
    the catalogue; above ``exact_items`` it is *low-rank EASE*: X'X by its ``rank`` first eigenvectors V and
    values s, for which B_ij = M_ij / (1 - M_jj) with M = V diag(s / (s + lambda)) V', the same formula by the
    identity of Woodbury; memory grows with the catalogue. ``approximate_`` tells which it is.

    With ``texts``, an item that nobody took scores what the items that read alike tell of it (``Newcomers``),
    where each item of the history tells ``alike`` of itself. Otherwise such items score 0.
    """

    class Config(FadingConfig):
        """``regularisation`` lambda > 0; ``exact_items``; ``rank`` and ``seed`` of the approximation.

        ``texts``: whether items nobody took are told by their texts, read by ``encoder``; ``alike`` >= 0.
        """

        regularisation: float = Field(default=300.0, gt=0, allow_inf_nan=False)
        exact_items: int = Field(default=15_000, ge=1)
        rank: int = Field(default=512, ge=1)
        seed: int = Field(default=7, ge=0, lt=2**32)
        texts: bool = False
        encoder: str = "minilm-l6"
        alike: float = Field(default=0.1, ge=0)

    config: Config

    def _learn(self, train: Dataset) -> None:
        self.weights_: ScoreArray = np.empty((0, 0), dtype=np.float32)
        self.axes_: ScoreArray = np.empty((0, 0), dtype=np.float32)
        self.shares_: ScoreArray = np.empty(0, dtype=np.float32)
        if train.n_items <= self.config.exact_items:
            self._solve(train)
        else:
            log.warning("too many items for EASE: low-rank EASE", items=train.n_items, rank=self.config.rank)
            self._reduce(train)
        taken, encoder = train.counts > 0, self.config.encoder
        self.newcomers_ = Newcomers.none(taken, encoder=encoder)
        if self.config.texts:
            self.newcomers_ = Newcomers.of(train.catalogue, taken, encoder=encoder, noise=NOISE)

    @property
    def approximate_(self) -> bool:
        """Whether it is low-rank EASE."""
        return self.axes_.size > 0

    def _solve(self, train: Dataset) -> None:
        gram = (train.matrix.T @ train.matrix).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += self.config.regularisation
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        self.weights_ = np.ascontiguousarray(weights, dtype=np.float32)  # else every product copies it

    def _reduce(self, train: Dataset) -> None:
        rank = min(self.config.rank, *train.matrix.shape)
        _, sizes, axes = randomized_svd(
            sparse.csr_matrix(train.matrix), rank, n_iter=4, random_state=self.config.seed
        )
        values = sizes.astype(np.float64) ** 2
        self.axes_ = np.ascontiguousarray(axes.T, dtype=np.float32)
        self.shares_ = (values / (values + self.config.regularisation)).astype(np.float32)
        self.own_ = (self.axes_**2 @ self.shares_).astype(np.float32)  # what an item says of itself

    def _extend(self, catalogue: Catalogue, changed: IntArray) -> None:
        if self.config.texts:
            self.newcomers_ = self.newcomers_.read(catalogue, changed)
            self.n_items_ = len(catalogue)

    def _scores(self, queries: Queries) -> ScoreArray:
        learned = len(self.axes_ if self.approximate_ else self.weights_)
        history = self._history(queries)
        known = history if history.shape[1] == learned else history[:, :learned]
        if self.approximate_:
            scores = self._reduced(known)
        else:
            scores = np.asarray(known @ self.weights_, dtype=np.float32)
        if beyond := self._known_items - learned:
            scores = np.pad(scores, ((0, 0), (0, beyond)), constant_values=-np.inf)
        new = self.newcomers_
        if len(new.items):
            spoken = scores + history * np.float32(self.config.alike)
            scores[:, new.items] = (new.told @ spoken.T).T
        scores[np.diff(known.indptr) == 0] = -np.inf
        return scores

    def _reduced(self, history: sparse.csr_array) -> ScoreArray:
        scores: ScoreArray = ((history @ self.axes_) * self.shares_) @ self.axes_.T
        rows = np.repeat(np.arange(history.shape[0]), np.diff(history.indptr))
        scores[rows, history.indices] -= history.data * self.own_[history.indices]
        return np.asarray(scores / np.maximum(1.0 - self.own_, 1e-6), dtype=np.float32)

    def _state(self) -> Mapping[str, Array]:
        told = behind(NEWCOMERS, self.newcomers_.state())
        return {"weights": self.weights_, "axes": self.axes_, "shares": self.shares_, **told}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.weights_, self.axes_, self.shares_ = state["weights"], state["axes"], state["shares"]
        self.own_ = (self.axes_**2 @ self.shares_).astype(np.float32)
        self.newcomers_ = Newcomers.from_state(self.config.encoder, under(NEWCOMERS, state))
