"""Numbers with intervals from saved lists: accuracy, diversity, exposure, paired comparisons.

The room knows lists, labels and vectors; it does not know which model made a list.
"""

from zhiyin.evaluate import diversity, generation, intervals, prediction, ranking
from zhiyin.evaluate.background import Background, activity_quartiles
from zhiyin.evaluate.intervals import Interval, bootstrap_mean, paired_difference
from zhiyin.evaluate.multiplicity import holm
from zhiyin.evaluate.power import detectable_difference, users_needed
from zhiyin.evaluate.table import TRIVIAL_RULES, EvaluationTable, evaluate_lists

__all__ = [
    "TRIVIAL_RULES",
    "Background",
    "EvaluationTable",
    "Interval",
    "activity_quartiles",
    "bootstrap_mean",
    "detectable_difference",
    "diversity",
    "evaluate_lists",
    "generation",
    "holm",
    "intervals",
    "paired_difference",
    "prediction",
    "ranking",
    "users_needed",
]
