"""Many comparisons at once: which differences still count when the best of many was bound to look good."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.types import FloatArray

__all__ = ["holm"]


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """p-values adjusted so that among all of them a false alarm is no likelier than in one test.

    Parameters
    ----------
    p_values : float [m]
        In [0, 1]; NaN stays NaN and does not count as a test.

    Returns
    -------
    float64 [m]
        The i-th smallest times (m - i + 1), never below a smaller one's, at most 1.

    Raises
    ------
    InputError
        When a p-value lies outside [0, 1].

    Notes
    -----
    Holm 1979, "A simple sequentially rejective multiple test procedure". Needs no independence.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(4)
    array([0.03, 0.06, 0.06])
    """
    values = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    if ((values[known] < 0) | (values[known] > 1)).any():
        raise InputError("A p-value is out of range", expected="in [0, 1]", received=str(values.tolist()))
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    steps = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * steps), 1.0)
    return adjusted
