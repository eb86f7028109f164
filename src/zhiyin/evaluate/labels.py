"""Labels and scores as arrays that fit together; knows no metric."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.types import BoolArray, FloatArray

__all__ = ["binary", "probabilities", "ratings"]


def ratings(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Two finite columns of one length.

    Raises
    ------
    InputError
        When they are not, or are empty.
    """
    found = []
    for name, values in (("labels", labels), ("scores", scores)):
        column = np.asarray(values, dtype=np.float64)
        if column.ndim != 1 or len(column) == 0 or not np.isfinite(column).all():
            raise InputError(
                f"{name} are not one finite number for each example",
                expected="shape [n], n >= 1, no NaN",
                received=f"shape {column.shape}, {int((~np.isfinite(column)).sum())} not finite",
            )
        found.append(column)
    if len(found[0]) != len(found[1]):
        raise InputError(
            "labels and scores differ in length",
            expected=f"{len(found[0])} scores",
            received=str(len(found[1])),
        )
    return found[0], found[1]


def binary(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[BoolArray, FloatArray]:
    """``ratings`` whose labels are 0 or 1.

    Raises
    ------
    InputError
        When a label is something else.
    """
    truth, found = ratings(labels, scores)
    odd = np.setdiff1d(truth, [0.0, 1.0])
    if len(odd):
        raise InputError("Labels must be 0 or 1", expected="0, 1 or bool", received=str(odd[0]))
    return truth > 0, found


def probabilities(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[BoolArray, FloatArray]:
    """``binary`` whose scores are probabilities.

    Raises
    ------
    InputError
        When a score lies outside [0, 1].
    """
    truth, found = binary(labels, scores)
    if found.min() < 0 or found.max() > 1:
        raise InputError(
            "Scores must be probabilities",
            expected="in [0, 1]",
            received=f"{found.min()} … {found.max()}",
            hint="Calibrate them first, or use a metric of order such as auc.",
        )
    return truth, found
