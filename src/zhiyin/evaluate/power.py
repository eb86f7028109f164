"""How many users it takes to see a difference, and what a test set is too small to show."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from zhiyin.errors import InputError
from zhiyin.types import FloatArray

__all__ = ["detectable_difference", "too_small", "users_needed"]

FEWEST = 30
LARGE = 0.25


def users_needed(differences: npt.ArrayLike, x: float, *, power: float = 0.8, level: float = 0.95) -> float:
    """Users with truth that a paired comparison needs to find a true difference of x.

    Parameters
    ----------
    differences : float [U]
        Of two systems user by user, from a pilot; only their spread is used; NaN: none.
    x : float
        The difference to be found, not 0.
    power : float
        Probability of finding it, in (0, 1).
    level : float
        1 - probability of a false alarm, in (0, 1).

    Returns
    -------
    float
        A whole number; NaN with fewer than two users.

    Raises
    ------
    InputError
        When x is 0, or a probability is out of range.

    Notes
    -----
    n = ((z(1 - α/2) + z(power)) σ / x)²: Sakai 2016, "Topic set size design", for the paired t-test in
    the limit of many users.

    Examples
    --------
    >>> users_needed([0.1, -0.1, 0.3, -0.3], 0.05)
    210.0
    """
    if x == 0 or not math.isfinite(x):
        raise InputError("x is no difference", expected="a number other than 0", received=str(x))
    spread = _spread(differences)
    exact = (_factor(power, level) * spread / x) ** 2
    return float(np.ceil(exact * (1.0 - 1e-9)))  # what rounding added needs no further user


def detectable_difference(differences: npt.ArrayLike, *, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest true difference that as many users as these would find.

    Parameters
    ----------
    differences, power, level
        As in ``users_needed``.

    Returns
    -------
    float
        >= 0; NaN with fewer than two users.

    Examples
    --------
    >>> round(detectable_difference([0.1, -0.1, 0.3, -0.3]), 3)
    0.362
    """
    values = _known(differences)
    return float(_factor(power, level) * _spread(values) / math.sqrt(max(len(values), 1)))


def too_small(differences: npt.ArrayLike, reference: float) -> str | None:
    """A warning where a test set cannot say much; None where it can.

    Parameters
    ----------
    differences : float [U]
        Of a system and the baseline.
    reference : float
        The baseline's mean: what differences are measured against.

    Examples
    --------
    >>> too_small([0.1, -0.1, 0.3, -0.3], 0.2)
    'Only 4 users have truth; a difference below 0.362 (181 % of the baseline) would probably not be seen'
    """
    values = _known(differences)
    smallest = detectable_difference(values)
    few = len(values) < FEWEST
    if not few and not (reference > 0 and smallest > LARGE * reference):
        return None
    share = f" ({smallest / reference:.0%} of the baseline)".replace("%", " %") if reference > 0 else ""
    text = f"{'Only ' if few else ''}{len(values)} users have truth"
    if math.isnan(smallest):
        return f"{text}; nothing can be concluded"
    return f"{text}; a difference below {smallest:.3f}{share} would probably not be seen"


def _known(differences: npt.ArrayLike) -> FloatArray:
    try:
        values = np.asarray(differences, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise InputError("The differences are no numbers", expected="numbers", received=str(error)) from error
    if np.isinf(values).any():
        raise InputError("A difference is infinite", expected="finite numbers or NaN", received="inf")
    return values[~np.isnan(values)]


def _spread(differences: npt.ArrayLike) -> float:
    values = _known(differences)
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _factor(power: float, level: float) -> float:
    if not (0 < power < 1 and 0 < level < 1):
        raise InputError(
            "A probability is out of range",
            expected="power and level in (0, 1)",
            received=f"{power}, {level}",
        )
    return float(ndtri(1.0 - (1.0 - level) / 2.0) + ndtri(power))
