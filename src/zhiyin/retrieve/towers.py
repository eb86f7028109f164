"""Two linear towers whose inner product is the rating; knows features and ratings, no histories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin import config
from zhiyin.config import parse
from zhiyin.draws import generator
from zhiyin.errors import InputError, NotFittedError
from zhiyin.types import FloatArray, IntArray

__all__ = ["LinearTowers"]

Features: TypeAlias = FloatArray | sparse.csr_array
Pair: TypeAlias = tuple[FloatArray, FloatArray]
Map: TypeAlias = Callable[[FloatArray, FloatArray], Pair]
TURNS = 5  # of conjugate gradients, each time
STILL = 1e-4  # share of the error by which a round must lower it
SMALL = 1e-6
CHUNK = 1 << 19  # ratings looked at at a time


class LinearTowers:
    """User(u) = W e_u + b, Item(v) = V e_v + c, rating = User(u) · Item(v).

    Minimises 1/2 sum (R_uv - User(u) · Item(v))² over the observed ratings + ``negatives`` / 2 sum
    (User(u) · Item(v))² over all other pairs, which stand for "not taken" (0: ratings only), + lambda / 2
    (|W|² + |V|²): one tower after the other, each a ridge regression given the other. The sum over all
    pairs costs no more than the two Gram matrices of the towers (Rendle, Krichene, Zhang & Koren 2022,
    "Revisiting the performance of iALS on item recommendation benchmarks", section 2). e_u and e_v are
    features, or own embeddings: then they are rows of the identity.

    Learned: ``W_`` float64 [d, p], ``b_`` [d], ``V_`` [d, q], ``c_`` [d]; ``mse_``: mean squared error on the
    observed ratings, at the start and after each round.

    Examples
    --------
    >>> ratings = sparse.csr_array(np.array([[5.0, 1.0], [4.0, 0.0]]))  # 0: not observed
    >>> own = sparse.eye_array(2, format="csr")
    >>> towers = LinearTowers(dimensions=2, regularisation=1e-6, rounds=50).fit(own, own, ratings)
    >>> np.round(towers.users(own) @ towers.items(own).T)[0]
    array([5., 1.])
    """

    class Config(config.Config):
        """``dimensions`` d; ``regularisation`` lambda; ``negatives``; ``rounds`` at most; ``seed``."""

        dimensions: int = Field(default=32, ge=1)
        regularisation: float = Field(default=1.0, ge=0)
        negatives: float = Field(default=0.0, ge=0)
        rounds: int = Field(default=20, ge=1)
        seed: int = Field(default=7, ge=0)

    def __init__(self, **params: Any) -> None:
        self.config = parse(self.Config, params, where="LinearTowers")
        self.mse_: list[float] = []

    def fit(self, users: Features, items: Features, ratings: sparse.csr_array) -> Self:
        """Learn both towers.

        Parameters
        ----------
        users, items : float or sparse [U, p], [I, q]
            e_u and e_v.
        ratings : sparse [U, I]
            Entries are observed ratings.

        Raises
        ------
        InputError
            When the shapes do not fit, or there are no ratings.
        """
        if ratings.shape != (users.shape[0], items.shape[0]) or ratings.nnz == 0:
            raise InputError(
                "The ratings do not fit the features",
                expected=f"at least one rating of {users.shape[0]} users and {items.shape[0]} items",
                received=f"{ratings.nnz} ratings of {ratings.shape}",
            )
        d = self.config.dimensions
        draw = generator(self.config.seed, 0, stream="towers")
        self.W_, self.b_ = np.zeros((d, users.shape[1])), np.zeros(d)
        self.V_, self.c_ = np.zeros((d, items.shape[1])), np.zeros(d)
        right = draw.normal(size=(items.shape[0], d)) / np.sqrt(d)
        right[:, 0] = 1.0  # so that the first round finds what all ratings share
        wide = sparse.csr_array(ratings, dtype=np.float64)
        tall = sparse.csr_array(wide.T)
        self.mse_ = [float(np.mean(wide.data**2))]
        for _ in range(self.config.rounds):
            self.W_, self.b_ = self._side(users, right, wide, self.W_, self.b_)
            left = users @ self.W_.T + self.b_
            self.V_, self.c_ = self._side(items, left, tall, self.V_, self.c_)
            right = items @ self.V_.T + self.c_
            rows = np.repeat(np.arange(wide.shape[0]), np.diff(wide.indptr))
            gap = _products(left, right, rows, wide.indices) - wide.data
            self.mse_.append(float(gap @ gap / len(gap)))
            if abs(self.mse_[-2] - self.mse_[-1]) <= STILL * self.mse_[-2]:
                break
        return self

    def _side(
        self, features: Features, others: FloatArray, ratings: sparse.csr_array, w: FloatArray, b: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The best tower of one side given the other: a ridge regression, by conjugate gradients.

        It is preconditioned as if every pair were observed equally often, for which it is solved exactly by
        the axes of the Gram matrix of the others.
        """
        weight, penalty = self.config.negatives, self.config.regularisation
        rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
        gram = others.T @ others
        density = (1.0 - weight) * ratings.nnz / (ratings.shape[0] * ratings.shape[1]) + weight
        sizes, axes = np.linalg.eigh(density * gram)
        sizes = np.maximum(sizes, SMALL * max(float(sizes[-1]), SMALL))
        lengths = _squares(features)

        def slopes(values: FloatArray, left: FloatArray) -> tuple[FloatArray, FloatArray]:
            push = sparse.csr_array((values, ratings.indices, ratings.indptr), shape=ratings.shape)
            move = push @ others + weight * left @ gram
            return np.asarray((features.T @ move).T), move.sum(axis=0)

        def applied(w: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
            left = features @ w.T + b
            found = _products(left, others, rows, ratings.indices)
            to_w, to_b = slopes((1.0 - weight) * found, left)
            return to_w + penalty * w, to_b

        def conditioned(w: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
            turned = (axes.T @ w) / (sizes[:, None] * lengths + penalty + SMALL)
            return axes @ turned, axes @ ((axes.T @ b) / (sizes * features.shape[0]))

        wanted = slopes(ratings.data, np.zeros((ratings.shape[0], len(b))))
        return _conjugate_gradients(applied, conditioned, wanted, (w, b))

    def users(self, features: Features) -> FloatArray:
        """User(u) of each row of features, float64 [U, d]."""
        self._check()
        return np.asarray(features @ self.W_.T + self.b_)

    def items(self, features: Features) -> FloatArray:
        """Item(v) of each row of features, float64 [I, d]."""
        self._check()
        return np.asarray(features @ self.V_.T + self.c_)

    def predict(self, users: Features, items: Features, rows: IntArray, columns: IntArray) -> FloatArray:
        """The rating of users ``rows`` and items ``columns``, float64 [n]."""
        return _products(self.users(users), self.items(items), rows, columns)

    def _check(self) -> None:
        if not self.mse_:
            raise NotFittedError(type(self).__name__)


def _conjugate_gradients(applied: Map, conditioned: Map, wanted: Pair, start: Pair) -> Pair:
    """``TURNS`` steps towards the solution of applied(x) = wanted (Hestenes & Stiefel 1952)."""
    x = start
    left = [one - other for one, other in zip(wanted, applied(*x), strict=True)]
    z = conditioned(*left)
    direction = list(z)
    size = _inner(left, z)
    for _ in range(TURNS):
        if size <= 0:
            break
        image = applied(*direction)
        step = size / max(_inner(direction, image), 1e-300)
        x = (x[0] + step * direction[0], x[1] + step * direction[1])
        left = [one - step * other for one, other in zip(left, image, strict=True)]
        z = conditioned(*left)
        fresh = _inner(left, z)
        direction = [one + fresh / size * other for one, other in zip(z, direction, strict=True)]
        size = fresh
    return x


def _inner(one: Sequence[FloatArray], other: Sequence[FloatArray]) -> float:
    return sum(float((a * b).sum()) for a, b in zip(one, other, strict=True))


def _squares(features: Features) -> FloatArray:
    """Sum of the squares of each column, float64 [p]."""
    squares = features.power(2) if isinstance(features, sparse.csr_array) else np.square(features)
    return np.asarray(squares.sum(axis=0), dtype=np.float64).ravel()


def _products(left: FloatArray, right: FloatArray, rows: IntArray, columns: IntArray) -> FloatArray:
    """Inner products of rows of both, float64 [n]; in pieces, so that memory stays small."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        found[part] = np.einsum("nd,nd->n", left[rows[part]], right[columns[part]])
    return found
