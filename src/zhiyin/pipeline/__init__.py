"""The stages composed: recommender, comparison, demo; knows neither HTTP nor SQL."""

from __future__ import annotations

from zhiyin.pipeline.comparison import compare, described
from zhiyin.pipeline.evaluation import check_baseline, evaluate_recommender, learned, list_names, step_gains
from zhiyin.pipeline.filters import Filters
from zhiyin.pipeline.lists import read_lists
from zhiyin.pipeline.live import Ask, LiveRecommender
from zhiyin.pipeline.recommendations import Recommendations
from zhiyin.pipeline.recommender import Recommender
from zhiyin.pipeline.refitting import RefitReport, dataset_of, refit, roll_back
from zhiyin.pipeline.stages import Trace

__all__ = [
    "Ask",
    "Filters",
    "LiveRecommender",
    "Recommendations",
    "Recommender",
    "RefitReport",
    "Trace",
    "check_baseline",
    "compare",
    "dataset_of",
    "described",
    "evaluate_recommender",
    "learned",
    "list_names",
    "read_lists",
    "refit",
    "roll_back",
    "step_gains",
]
