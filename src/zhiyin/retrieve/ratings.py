"""What methods that foretell ratings ask of data; knows no method."""

from __future__ import annotations

from zhiyin.data import Columns, Dataset
from zhiyin.errors import InputError

__all__ = ["check_ratings"]


def check_ratings(dataset: Dataset) -> None:
    """Refuse ratings that would be taken for none.

    Raises
    ------
    InputError
        When a value is 0 or below: histories and ``matrix`` hold what is above 0.
    """
    least = dataset.events[Columns.VALUE].min()
    if isinstance(least, float) and least <= 0:
        raise InputError(
            "Ratings of 0 and below cannot be told from no rating",
            expected="values above 0",
            received=f"{least:g}",
            hint="Add the same number to all of them.",
        )
