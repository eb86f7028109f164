"""What is known of items and users beside the lists: metrics that need a part are left out without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.types import Array, BoolArray, FloatArray, IntArray, Ragged

__all__ = ["Background", "activity_quartiles"]


@dataclass(frozen=True, eq=False)
class Background:
    """The sides of an evaluation.

    ``vectors`` float [n_items, d] of items, for distances; ``clusters`` int [n_items], their themes
    (``catalogue_clusters``); ``popularity`` float [n_items] in (0, 1]; ``histories`` of the U users, for
    calibration; ``cold_items`` bool [n_items], those without an event before the question; ``groups``:
    name -> label of each user (None: in no group).
    """

    vectors: Array | None = None
    clusters: IntArray | None = None
    popularity: FloatArray | None = None
    histories: Ragged | None = None
    cold_items: BoolArray | None = None
    groups: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def check(self, users: int, items: int) -> None:
        """Refuse parts that do not fit the lists.

        Raises
        ------
        InputError
        """
        for name in ("vectors", "clusters", "popularity", "cold_items"):
            part: Sized | None = getattr(self, name)
            if part is not None and len(part) < items:
                raise InputError(
                    "Some items have no vector" if name == "vectors" else f"Some items have no {name}",
                    expected=f"at least {items} rows, one for each item of the catalogue",
                    received=f"{len(part)} rows",
                )
        per_user: dict[str, Sized] = {**self.groups}
        if self.histories is not None:
            per_user["histories"] = self.histories
        for name, column in per_user.items():
            if len(column) != users:
                raise InputError(
                    f"{name!r} does not fit the users",
                    expected=f"{users} entries, one a user",
                    received=str(len(column)),
                )


def activity_quartiles(counts: npt.ArrayLike) -> list[str | None]:
    """Groups of users by how much is known of them: "none", then quarters of the others.

    Parameters
    ----------
    counts : int [U]
        Events before the question.

    Returns
    -------
    list of str
        "none" (a cold user), "1 (least active)", "2", "3", "4 (most active)"; equal counts share a group.

    Examples
    --------
    >>> activity_quartiles([0, 1, 5, 9, 30])
    ['none', '1 (least active)', '2', '3', '4 (most active)']
    """
    values = np.asarray(counts)
    names = ("1 (least active)", "2", "3", "4 (most active)")
    some = values[values > 0]
    edges = np.quantile(some, [0.25, 0.5, 0.75]) if len(some) else np.zeros(3)
    quarter = np.searchsorted(edges, values, side="left")
    return ["none" if count == 0 else names[place] for count, place in zip(values, quarter, strict=True)]
