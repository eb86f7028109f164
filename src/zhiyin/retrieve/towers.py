"""Two linear towers whose inner product is the rating; knows features and ratings, no histories."""

from __future__ import annotations

from typing import Any, Self, TypeAlias

import numpy as np
from pydantic import Field
from scipy import optimize, sparse

from zhiyin import config
from zhiyin.config import parse
from zhiyin.draws import generator
from zhiyin.errors import InputError, NotFittedError
from zhiyin.types import FloatArray, IntArray

__all__ = ["LinearTowers"]

Features: TypeAlias = FloatArray | sparse.csr_array
START = 0.1  # standard deviation of the weights at the beginning
CHUNK = 1 << 19  # ratings looked at at a time


class LinearTowers:
    """User(u) = W e_u + b, Item(v) = V e_v + c, rating = User(u) · Item(v).

    Minimises 1/2 sum (R_uv - User(u) · Item(v))² over the observed ratings + ``negatives`` / 2 sum
    (User(u) · Item(v))² over all other pairs, which stand for "not taken" (0: ratings only), + lambda / 2
    (|W|² + |V|²), by L-BFGS. The sum over all pairs costs no more than the two Gram matrices of the towers
    (Rendle, Krichene, Zhang & Koren 2022, "Revisiting the performance of iALS on item recommendation
    benchmarks", section 2). e_u and e_v are features, or own embeddings: then they are rows of the identity.

    Learned: ``W_`` float64 [d, p], ``b_`` [d], ``V_`` [d, q], ``c_`` [d]; ``mse_``: mean squared error on the
    observed ratings, at the start and after each step.

    Examples
    --------
    >>> ratings = sparse.csr_array(np.array([[5.0, 1.0], [4.0, 0.0]]))  # 0: not observed
    >>> own = sparse.eye_array(2, format="csr")
    >>> towers = LinearTowers(dimensions=2, regularisation=1e-6, steps=200).fit(own, own, ratings)
    >>> np.round(towers.users(own) @ towers.items(own).T)[0]
    array([5., 1.])
    """

    class Config(config.Config):
        """``dimensions`` d; ``regularisation`` lambda; ``negatives``; ``steps`` at most; ``seed``."""

        dimensions: int = Field(default=32, ge=1)
        regularisation: float = Field(default=1.0, ge=0)
        negatives: float = Field(default=0.0, ge=0)
        steps: int = Field(default=200, ge=1)
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
        d, p, q = self.config.dimensions, users.shape[1], items.shape[1]
        shapes = [(d, p), (d,), (d, q), (d,)]
        sizes = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
        entries = sparse.coo_array(ratings)
        rows, columns, values = entries.coords[0], entries.coords[1], entries.data.astype(np.float64)
        weight, penalty = self.config.negatives, self.config.regularisation

        scales = [_scale(users), np.ones(1), _scale(items), np.ones(1)]

        def parts(flat: FloatArray) -> list[FloatArray]:
            blocks = zip(sizes[:-1], sizes[1:], shapes, scales, strict=True)
            return [flat[a:b].reshape(shape) / scale for a, b, shape, scale in blocks]

        def loss(flat: FloatArray) -> tuple[float, FloatArray]:
            w, b, v, c = parts(flat)
            left, right = users @ w.T + b, items @ v.T + c
            found = _products(left, right, rows, columns)
            gap = found - values
            push = sparse.csr_array((gap - weight * found, (rows, columns)), shape=ratings.shape)
            grams = left.T @ left, right.T @ right
            total = 0.5 * (gap @ gap) + 0.5 * weight * ((grams[0] * grams[1]).sum() - found @ found)
            total += 0.5 * penalty * ((w * w).sum() + (v * v).sum())
            to_left = push @ right + weight * left @ grams[1]
            to_right = push.T @ left + weight * right @ grams[0]
            slopes = [
                (users.T @ to_left).T + penalty * w, to_left.sum(axis=0),
                (items.T @ to_right).T + penalty * v, to_right.sum(axis=0),
            ]  # fmt: skip
            self._last = float(gap @ gap / len(gap))
            slopes = [slope / scale for slope, scale in zip(slopes, scales, strict=True)]
            return float(total), np.concatenate([np.asarray(slope).ravel() for slope in slopes])

        start = generator(self.config.seed, 0, stream="towers").normal(scale=START, size=int(sizes[-1]))
        self.mse_ = [float(np.mean(values**2))]
        options = {"maxiter": self.config.steps, "maxfun": 2 * self.config.steps, "maxcor": 8}
        kept = self.mse_
        found = optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", options=options,
            callback=lambda _: kept.append(self._last),
        )  # fmt: skip
        self.W_, self.b_, self.V_, self.c_ = parts(np.asarray(found.x))
        return self

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


def _scale(features: Features) -> FloatArray:
    """Length of each column, by which the weights are measured: so that all of them move alike."""
    squares = features.power(2) if isinstance(features, sparse.csr_array) else np.square(features)
    lengths = np.sqrt(np.asarray(squares.sum(axis=0), dtype=np.float64).ravel())
    return np.maximum(lengths, 1e-3 * max(float(lengths.max(initial=0.0)), 1e-12))


def _products(left: FloatArray, right: FloatArray, rows: IntArray, columns: IntArray) -> FloatArray:
    """Inner products of rows of both, float64 [n]; in pieces, so that memory stays small."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        found[part] = np.einsum("nd,nd->n", left[rows[part]], right[columns[part]])
    return found
