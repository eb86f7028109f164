"""Hundreds of candidates -> an order; knows neither where candidates came from nor HTTP."""

from __future__ import annotations

from zhiyin.rank.blend import Blend, fit_blend, standardise
from zhiyin.rank.check import is_permutation

__all__ = ["Blend", "fit_blend", "is_permutation", "standardise"]
