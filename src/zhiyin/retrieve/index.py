"""The largest inner products among very many vectors; knows vectors and numbers of items, no users.

Exact below ``EXACT_BELOW`` vectors; above, a graph of neighbours (HNSW: Malkov & Yashunin 2020), or where
that would not fit, compressed lists (IVF-PQ: Jégou, Douze & Schmid 2011), searched as widely as the recall
that is asked for needs, which is measured. By the library ``faiss``.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Literal, Self

import faiss
import numpy as np
import numpy.typing as npt

from zhiyin.draws import generator
from zhiyin.errors import InputError
from zhiyin.types import Array, BoolArray, IntArray, ScoreArray

__all__ = ["EXACT_BELOW", "Kind", "VectorIndex"]

Kind = Literal["exact", "hnsw", "ivf-pq"]
library: Any = faiss  # its declarations do not tell of arrays
KINDS: tuple[Kind, ...] = ("exact", "hnsw", "ivf-pq")
EXACT_BELOW = 200_000
HNSW_BYTES = 6 << 30
LINKS, BUILD_WIDTH = 32, 100
BITS = 8
WIDEST = 4096  # of a search, in nodes or lists
SAMPLE, NEAREST = 200, 100  # queries and places by which the recall is measured
FEW = 0.02  # share of allowed vectors below which these are looked at one by one
AGAIN = 4  # times the places that are looked at again by the whole vectors, where these are compressed
DEAD = 0.2  # share of removed vectors from which on the index is built again

FEWEST: dict[Kind, int] = {"exact": 0, "hnsw": 1, "ivf-pq": 39 * 16}  # vectors to learn from


class VectorIndex:
    """Vectors by the number of their item; an item has one vector, or none.

    ``kind``; ``width``: how many nodes or lists a search visits; ``recall``: the share of the true nearest
    100 that it finds, measured on 200 of the vectors when it was built, 1 for an exact one. Added vectors
    are found at once; removed ones are passed over at once, and the index is built again behind the scenes
    when a fifth is gone. Safe for several threads.
    """

    def __init__(
        self, dimension: int, *, recall: float = 0.95, kind: Kind | None = None, seed: int = 7
    ) -> None:
        if not 0 < recall <= 1 or dimension < 1 or (kind is not None and kind not in KINDS):
            raise InputError(
                "The index cannot be made this way",
                expected=f"dimension >= 1, recall in (0, 1], kind one of {', '.join(KINDS)}",
                received=f"dimension {dimension}, recall {recall}, kind {kind}",
            )
        self.dimension, self.target, self.seed = dimension, recall, seed
        self._asked_kind = kind
        self.kind: Kind = "exact"
        self.width, self.recall = 0, 1.0
        self._lock = threading.RLock()
        self._index: Any = library.IndexFlatIP(dimension)
        self._items: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)  # of each row of the index
        self._alive: BoolArray = np.empty(0, dtype=bool)
        self._gone = 0
        self._vectors: ScoreArray = np.empty((0, dimension), dtype=np.float32)
        self._rebuilding: threading.Thread | None = None

    @classmethod
    def of(
        cls, vectors: ScoreArray, *, recall: float = 0.95, kind: Kind | None = None, seed: int = 7
    ) -> Self:
        """Index vectors float32 [n, d] of the items 0 … n - 1.

        Parameters
        ----------
        vectors : float32 [n, d]
        recall : float
            Share of the true nearest 100 to be found, in (0, 1]; 1: exact, however many there are.
        kind : str or None
            "exact", "hnsw" or "ivf-pq"; None: by size and recall.
        seed : int

        Examples
        --------
        >>> index = VectorIndex.of(np.eye(3, dtype=np.float32))
        >>> index.search(np.float32([[0.2, 0.9, 0.1]]), 2)[0]
        array([[1, 0]], dtype=int32)
        """
        index = cls(vectors.shape[1], recall=recall, kind=kind, seed=seed)
        index._build(index._checked(vectors), np.arange(len(vectors)))
        return index

    def __len__(self) -> int:
        return len(self._items) - self._gone

    def _build(self, vectors: ScoreArray, items: npt.NDArray[np.int64]) -> None:
        kind = self._suitable(len(vectors))
        made = _made(kind, vectors)
        made.add(vectors)
        with self._lock:
            self.kind, self._index, self._vectors, self._items = kind, made, vectors, items.astype(np.int64)
            self._alive, self._gone = np.ones(len(items), dtype=bool), 0
            self.width, self.recall = 0, 1.0
            if kind != "exact":
                self._widen()

    def _suitable(self, n: int) -> Kind:
        """The kind that is wanted; exact where there are too few vectors to learn another from."""
        kind = self._asked_kind or _kind(n, self.dimension, self.target)
        return kind if n >= FEWEST[kind] else "exact"

    def _checked(self, vectors: ScoreArray) -> ScoreArray:
        given: ScoreArray = np.ascontiguousarray(vectors, dtype=np.float32)
        if given.ndim != 2 or given.shape[1] != self.dimension or not np.isfinite(given).all():
            raise InputError(
                "These are no vectors of the index",
                expected=f"finite numbers [n, {self.dimension}]",
                received=f"{list(given.shape)}, {int((~np.isfinite(given)).sum())} of them not finite",
            )
        return given

    def _widen(self) -> None:
        """Search as widely as the recall needs; what was reached is told."""
        drawn = generator(self.seed, 0, stream="index").choice(
            len(self._vectors), min(SAMPLE, len(self._vectors)), replace=False
        )
        asked = self._vectors[np.sort(drawn)]
        n = min(NEAREST, len(self._vectors))
        truth = np.argpartition(-(asked @ self._vectors.T), n - 1, axis=1)[:, :n]
        self.width = NEAREST if self.kind == "hnsw" else 4
        while True:
            found = self._found(asked, n, None)[0]
            hits = [len(np.intersect1d(one, other)) for one, other in zip(found, truth, strict=True)]
            self.recall = float(np.mean(hits)) / n
            if self.recall >= self.target or 2 * self.width > WIDEST:
                return
            self.width *= 2

    def _params(self, chosen: Any) -> Any:
        """How the index is searched; ``chosen``: a faiss selector or None."""
        if self.kind == "hnsw":
            return library.SearchParametersHNSW(sel=chosen, efSearch=self.width)
        if self.kind == "ivf-pq":
            return library.SearchParametersIVF(sel=chosen, nprobe=self.width)
        return library.SearchParameters(sel=chosen)

    def search(
        self, queries: ScoreArray, n: int, *, allowed: BoolArray | None = None
    ) -> tuple[IntArray, ScoreArray]:
        """The n items with the largest inner products, best first.

        Parameters
        ----------
        queries : float32 [U, d]
        n : int
            Places, >= 1.
        allowed : bool [items] or None
            Only these items, for all queries. Where they are few, or too few of them were found, they are
            looked at one by one, so that n are found where n exist.

        Returns
        -------
        items, scores
            int32 and float32 [U, n]; -1 and -inf on the right where there are fewer.
        """
        if n < 1 or queries.ndim != 2 or queries.shape[1] != self.dimension:
            raise InputError(
                "The index cannot be asked this way",
                expected=f"n >= 1 and queries [U, {self.dimension}]",
                received=f"n = {n} and {queries.shape}",
            )
        queries = self._checked(queries)
        with self._lock:
            rows = None if allowed is None and self._gone == 0 else self._chosen(allowed)
            if rows is not None and rows.sum() < max(FEW * len(rows), 2 * n):
                return self._one_by_one(queries, n, np.flatnonzero(rows))
            bits = None if rows is None else np.packbits(rows, bitorder="little")
            chosen = None if bits is None else library.IDSelectorBitmap(bits)
            found, scores = self._found(queries, n, chosen)
            there = len(self) if rows is None else int(rows.sum())
            short = np.flatnonzero((found >= 0).sum(axis=1) < min(n, there))
            if len(short):  # a graph or a few lists may hold too few of what is allowed
                all_of_them = np.flatnonzero(self._alive if rows is None else rows)
                full = self._one_by_one(queries[short], n, all_of_them)
            items = np.where(found >= 0, self._items[np.maximum(found, 0)], -1) if len(self._items) else found
        listed: IntArray = items.astype(np.int32)
        values: ScoreArray = np.where(found >= 0, scores, -np.inf).astype(np.float32)
        if len(short):
            listed[short], values[short] = full
        return listed, values

    def _found(self, queries: ScoreArray, n: int, chosen: Any) -> tuple[npt.NDArray[np.int64], ScoreArray]:
        """Rows of the index and their inner products, best first; compressed ones are looked at again."""
        if self.kind != "ivf-pq":
            scores, rows = self._index.search(queries, n, params=self._params(chosen))
            return rows, scores
        rows = self._index.search(queries, AGAIN * n, params=self._params(chosen))[1]
        whole = self._vectors[np.maximum(rows, 0)]
        scores = np.where(rows >= 0, np.einsum("qd,qnd->qn", queries, whole), -np.inf).astype(np.float32)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
        return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)

    def _chosen(self, allowed: BoolArray | None) -> BoolArray:
        """Which rows of the index may be found."""
        if allowed is None:
            return self._alive
        known = self._items < len(allowed)
        chosen: BoolArray = self._alive & known
        chosen[known] &= allowed[self._items[known]]
        return chosen

    def _one_by_one(self, queries: ScoreArray, n: int, rows: Array) -> tuple[IntArray, ScoreArray]:
        products = queries @ self._vectors[rows].T
        order = np.argsort(-products, axis=1, kind="stable")[:, :n]
        items = np.full((len(queries), n), -1, dtype=np.int32)
        scores = np.full((len(queries), n), -np.inf, dtype=np.float32)
        items[:, : order.shape[1]] = self._items[rows][order]
        scores[:, : order.shape[1]] = np.take_along_axis(products, order, axis=1)
        return items, scores

    def put(self, items: Array, vectors: ScoreArray) -> None:
        """Give items these vectors, whether they had one before or not; found at once.

        Parameters
        ----------
        items : int [m]
            Different ones, >= 0.
        vectors : float32 [m, d]
        """
        vectors, items = self._checked(vectors), np.asarray(items)
        whole = np.issubdtype(items.dtype, np.integer) and (items.min(initial=0) >= 0)
        if not whole or len(vectors) != len(items) or len(np.unique(items)) != len(items):
            raise InputError(
                "One vector an item",
                expected=f"different whole numbers >= 0 and vectors [{len(items)}, {self.dimension}]",
                received=f"{items.dtype} {items[:3].tolist()} … and {list(vectors.shape)}",
            )
        with self._lock:
            self._alive[np.isin(self._items, items)] = False
            self._index.add(vectors)
            self._vectors = np.concatenate([self._vectors, vectors])
            self._items = np.concatenate([self._items, np.asarray(items, dtype=np.int64)])
            self._alive = np.concatenate([self._alive, np.ones(len(items), dtype=bool)])
            self._gone = int((~self._alive).sum())
        self._tidy()

    def remove(self, items: Array) -> None:
        """Forget items; those that are not there are passed over."""
        with self._lock:
            self._alive = self._alive & ~np.isin(self._items, items)
            self._gone = int((~self._alive).sum())
        self._tidy()

    def _tidy(self) -> None:
        """Build again in the background where much is gone, or the size wants another kind."""
        with self._lock:
            count = len(self)
            fits = self.kind == self._suitable(count)
            gone = len(self._alive) - count
            busy = self._rebuilding is not None and self._rebuilding.is_alive()
            if busy or count == 0 or (fits and gone <= DEAD * len(self._alive)):
                return
            self._rebuilding = threading.Thread(target=self.rebuild, daemon=True)
        self._rebuilding.start()

    def rebuild(self) -> None:
        """Build again from what is there; searches go on meanwhile, and what comes meanwhile is kept."""
        with self._lock:
            before = len(self._items)
            alive = self._alive.copy()
            vectors, items = self._vectors[alive], self._items[alive]
        fresh = type(self)(self.dimension, recall=self.target, kind=self._asked_kind, seed=self.seed)
        fresh._build(vectors, items)
        with self._lock:
            late = np.arange(before, len(self._items))
            gone = items[~self._alive[:before][alive]]
            fresh._alive[np.isin(fresh._items, gone)] = False
            if len(late):
                fresh._index.add(np.ascontiguousarray(self._vectors[late]))
                fresh._vectors = np.concatenate([fresh._vectors, self._vectors[late]])
                fresh._items = np.concatenate([fresh._items, self._items[late]])
                fresh._alive = np.concatenate([fresh._alive, self._alive[late]])
            fresh._gone = int((~fresh._alive).sum())
            for name in ("kind", "width", "recall", "_index", "_vectors", "_items", "_alive", "_gone"):
                setattr(self, name, getattr(fresh, name))

    def wait(self) -> None:
        """Until no building goes on."""
        thread = self._rebuilding
        if thread is not None:
            thread.join()

    def copy(self) -> Self:
        """An index of its own, with the same content."""
        with self._lock:
            other = type(self)(self.dimension, recall=self.target, kind=self._asked_kind, seed=self.seed)
            other._index = library.clone_index(self._index)
            for name in ("kind", "width", "recall", "_vectors", "_items"):
                setattr(other, name, getattr(self, name))
            other._alive, other._gone = self._alive.copy(), self._gone
        return other

    def state(self) -> dict[str, Array]:
        """Everything as arrays, for ``from_state``; an exact index is its vectors."""
        with self._lock:
            facts = [self.dimension, self.target, self.seed, KINDS.index(self.kind), self.width, self.recall]
            asked = -1 if self._asked_kind is None else KINDS.index(self._asked_kind)
            found: dict[str, Array] = {
                "vectors": self._vectors, "items": self._items, "alive": self._alive,
                "facts": np.array([*facts, asked], dtype=np.float64),
            }  # fmt: skip
            if self.kind != "exact":
                found["index"] = library.serialize_index(self._index)
        return found

    @classmethod
    def from_state(cls, state: Mapping[str, Array]) -> Self:
        """What ``state`` gave."""
        dimension, target, seed, kind, width, recall, asked = state["facts"].tolist()
        wanted = None if asked < 0 else KINDS[int(asked)]
        index = cls(int(dimension), recall=target, kind=wanted, seed=int(seed))
        index.kind, index.width, index.recall = KINDS[int(kind)], int(width), recall
        index._vectors, index._items = state["vectors"], state["items"]
        index._alive = state["alive"].astype(bool)
        index._gone = int((~index._alive).sum())
        if index.kind == "exact":
            index._index = library.IndexFlatIP(int(dimension))
            index._index.add(np.ascontiguousarray(index._vectors))
        else:
            index._index = library.deserialize_index(state["index"])
        return index


def _kind(n: int, dimension: int, recall: float) -> Kind:
    """What suits the size: exact, a graph where it fits, else compressed lists."""
    if n < EXACT_BELOW or recall == 1:
        return "exact"
    return "hnsw" if n * (4 * dimension + 8 * LINKS) <= HNSW_BYTES else "ivf-pq"


def _made(kind: Kind, vectors: ScoreArray) -> Any:
    """An empty index, trained where it must be."""
    n, dimension = vectors.shape
    if kind == "exact":
        return library.IndexFlatIP(dimension)
    if kind == "hnsw":
        graph = library.IndexHNSWFlat(dimension, LINKS, library.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = BUILD_WIDTH
        return graph
    lists = int(min(max(4 * np.sqrt(n), 1), max(n // 39, 1)))
    parts = next(size for size in (48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1) if dimension % size == 0)
    bits = BITS if n >= 39 * 2**BITS else 4
    rough = library.IndexFlatIP(dimension)
    made = library.IndexIVFPQ(rough, dimension, lists, parts, bits, library.METRIC_INNER_PRODUCT)
    made.train(vectors)
    return made
