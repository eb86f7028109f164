"""Two goals at once: which systems no other one beats on both, and how much they have conquered."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.types import BoolArray, FloatArray

__all__ = ["hypervolume", "pareto_front"]


def pareto_front(points: npt.ArrayLike) -> BoolArray:
    """Mark the points that no other point beats: at least as good in all goals, better in one.

    Parameters
    ----------
    points : float [n, goals]
        Larger is better; equal points stand or fall together.

    Returns
    -------
    bool [n]

    Raises
    ------
    InputError
        When a number is not finite.

    Examples
    --------
    >>> pareto_front([[0.1, 0.9], [0.2, 0.8], [0.1, 0.8]])
    array([ True,  True, False])
    """
    values = _checked(points)
    no_worse = (values[:, None, :] >= values[None, :, :]).all(axis=2)
    better = (values[:, None, :] > values[None, :, :]).any(axis=2)
    beaten: BoolArray = np.asarray((no_worse & better).any(axis=0))
    return ~beaten


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Area between a reference point and the front of points with two goals.

    Parameters
    ----------
    points : float [n, 2]
        Larger is better; what does not exceed the reference in both goals adds nothing.
    reference : float [2]
        (0, 0) for accuracy and diversity, say.

    Returns
    -------
    float
        In the product of the goals' units.

    Raises
    ------
    InputError
        When there are not two goals, or a number is not finite.

    Notes
    -----
    Zitzler & Thiele 1998, "Multiobjective optimization using evolutionary algorithms".

    Examples
    --------
    >>> hypervolume([[1.0, 2.0], [2.0, 1.0]], [0.0, 0.0])
    3.0
    """
    corner = np.asarray(reference, dtype=np.float64)
    values = _checked(points)
    if values.shape[1] != 2 or corner.shape != (2,) or not np.isfinite(corner).all():
        raise InputError("The area needs two goals", expected="points [n, 2] and a reference [2]")
    gained = np.maximum(values - corner, 0.0)
    area = height = 0.0
    for x, y in gained[np.lexsort((-gained[:, 1], -gained[:, 0]))].tolist():
        if y > height:
            area += x * (y - height)
            height = y
    return area


def _checked(points: npt.ArrayLike) -> FloatArray:
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(
            "points are not a table of finite numbers",
            expected="float [n, goals]",
            received=f"shape {values.shape}",
        )
    return values
