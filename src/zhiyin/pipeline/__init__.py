"""The stages composed: recommender, comparison, demo; knows neither HTTP nor SQL."""

from __future__ import annotations

from zhiyin.pipeline.comparison import compare
from zhiyin.pipeline.evaluation import evaluate_recommender
from zhiyin.pipeline.recommendations import Recommendations
from zhiyin.pipeline.recommender import Recommender

__all__ = ["Recommendations", "Recommender", "compare", "evaluate_recommender"]
