"""What may be shown to whom, as masks over the catalogue; the same filter is worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.caches import MemoryCache
from zhiyin.data import Catalogue
from zhiyin.types import Array, BoolArray

__all__ = ["FilterMasks", "Filters"]

CACHE_BYTES = 64 << 20


@dataclass(frozen=True)
class Filters:
    """Conditions that all must hold.

    ``items``: only these ids, None: any; ``block``: none of these; ``attributes``: (name, allowed
    values) pairs; ``min_price``, ``max_price``: an item without a price fits no band.
    """

    items: tuple[str, ...] | None = None
    block: tuple[str, ...] = ()
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    min_price: float | None = None
    max_price: float | None = None

    @property
    def empty(self) -> bool:
        """Whether everything passes."""
        return self == Filters()


class FilterMasks:
    """Masks of one catalogue; thread-safe."""

    def __init__(self, catalogue: Catalogue, visible: BoolArray) -> None:
        self._catalogue = catalogue
        self._visible = visible
        self._all = bool(visible.all())
        self._cache: MemoryCache[BoolArray] = MemoryCache(CACHE_BYTES, size_of=_bytes)

    def of(self, filters: Sequence[Filters]) -> BoolArray | None:
        """What may be shown, bool [n_items] or [U, n_items]; None: everything."""
        distinct = set(filters)
        if all(one.empty for one in distinct):
            return None if self._all else self._visible
        if len(distinct) == 1:
            return self._mask(filters[0])
        return np.stack([self._mask(one) for one in filters])

    def _mask(self, filters: Filters) -> BoolArray:
        found = self._cache.get(repr(filters))
        if found is None:
            found = self._visible & self._matching(filters)
            found.setflags(write=False)
            self._cache.put(repr(filters), found)
        return found

    def _matching(self, filters: Filters) -> BoolArray:
        catalogue = self._catalogue
        mask: BoolArray = np.ones(len(catalogue), dtype=bool)
        if filters.items is not None:
            mask &= self._listed(filters.items)
        if filters.block:
            mask &= ~self._listed(filters.block)
        for name, values in filters.attributes:
            column: Array = np.array(catalogue.attributes.get(name, (None,) * len(catalogue)), dtype=object)
            mask &= np.isin(column.astype(str), list(values)) & (column != None)  # noqa: E711
        if filters.min_price is not None:
            mask &= catalogue.prices >= filters.min_price
        if filters.max_price is not None:
            mask &= catalogue.prices <= filters.max_price
        return mask

    def _listed(self, ids: Sequence[str]) -> BoolArray:
        mask: BoolArray = np.zeros(len(self._catalogue), dtype=bool)
        known = self._catalogue.index_of(ids)
        mask[known[known >= 0]] = True
        return mask


def _bytes(mask: BoolArray) -> int:
    return int(mask.nbytes)
