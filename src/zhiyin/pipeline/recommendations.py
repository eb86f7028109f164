"""The public face of slates: external ids, scores, propensities, reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from zhiyin.data import Catalogue
from zhiyin.safety import printable
from zhiyin.types import Slates

__all__ = ["Recommendations"]


@dataclass(frozen=True, eq=False)
class Recommendations:
    """Slates for a batch of users, in external ids.

    ``slates`` holds indices, scores and propensities; ``reasons`` one tuple a user ("" where no
    reason passed its test), empty where none were asked for; ``notes``: fallbacks that were taken.
    """

    users: tuple[str | None, ...]
    slates: Slates
    catalogue: Catalogue
    reasons: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    milliseconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def items(self) -> list[list[str]]:
        """External ids, one list a user; shorter than k where nothing is left."""
        return [self.catalogue.ids_of(row) for row in self.slates.items]

    @property
    def titles(self) -> list[list[str]]:
        """Titles, in the same places as ``items``."""
        return [[self.catalogue.titles[item] for item in row if item >= 0] for row in self.slates.items]

    def __len__(self) -> int:
        return len(self.users)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """One row a place: user, slate, place (from 1), item, title, score, propensities, reason."""
        for row in range(len(self.users)):
            yield from self.places(row)

    def places(self, row: int) -> list[dict[str, Any]]:
        """The rows of one user, by position."""
        items = self.slates.items[row]
        return [
            self._place(row, self.users[row], place, int(item))
            for place, item in enumerate(items)
            if item >= 0
        ]

    def _place(self, row: int, user: str | None, place: int, item: int) -> dict[str, Any]:
        slates = self.slates
        return {
            "user": user,
            "slate": slates.ids[row],
            "place": place + 1,
            "item": self.catalogue.ids[item],
            "title": self.catalogue.titles[item],
            "score": float(slates.scores[row, place]),
            "conditional": float(slates.conditional[row, place]),
            "marginal": _number(slates.marginal[row, place]),
            "reason": self.reasons[row][place] if self.reasons else "",
        }

    def __str__(self) -> str:
        """One line a place: item, title, probability to be shown there, reason."""
        lines = []
        for row in self:
            if row["place"] == 1:
                lines.append(f"For {printable(row['user'] or 'someone new')}:")
            shown = "" if row["marginal"] is None else f"{row['marginal']:.3f}"
            title, reason = printable(row["title"])[:44], printable(row["reason"])
            lines.append(
                f"{row['place']:>4}. {printable(row['item']):<10} {title:<44} {shown:>6}  {reason}".rstrip()
            )
        return "\n".join([*lines, *self.notes])

    def to_frame(self) -> pl.DataFrame:
        """A table of all places; ``user_id``, ``item_id`` and ``rank`` as ``zhiyin.compare`` reads them."""
        names = {"user": "user_id", "item": "item_id", "place": "rank"}
        return pl.DataFrame([{names.get(key, key): value for key, value in row.items()} for row in self])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "policy": self.slates.policy,
            "rows": list(self),
            "notes": list(self.notes),
            "milliseconds": {stage: round(value, 2) for stage, value in self.milliseconds.items()},
        }


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
