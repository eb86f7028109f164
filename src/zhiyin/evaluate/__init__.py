"""Numbers with intervals from saved lists: accuracy, diversity, exposure, paired comparisons.

The room knows lists, labels and vectors; it does not know which model made a list.
"""

from zhiyin.evaluate import diversity, intervals, ranking
from zhiyin.evaluate.intervals import Interval, bootstrap_mean, paired_difference
from zhiyin.evaluate.table import TRIVIAL_RULES, EvaluationTable, evaluate_lists

__all__ = [
    "TRIVIAL_RULES",
    "EvaluationTable",
    "Interval",
    "bootstrap_mean",
    "diversity",
    "evaluate_lists",
    "intervals",
    "paired_difference",
    "ranking",
]
