"""Diversity of lists by all its definitions: distances, categories, topics, exposure, meaning, fronts.

The definitions lie in files of their own; this is the one door to them.
"""

from zhiyin.evaluate.categories import (
    calibration_kl,
    category_coverage,
    category_entropy,
    mutual_information,
)
from zhiyin.evaluate.distances import (
    intra_list_distance,
    relevant_intra_list_distance,
    relevant_vendi_score,
    vendi_score,
)
from zhiyin.evaluate.exposure import (
    catalogue_coverage,
    exposure_gini,
    long_tail_share,
    novelty,
    serendipity,
    temporal_diversity,
)
from zhiyin.evaluate.front import hypervolume, pareto_front
from zhiyin.evaluate.semantic import (
    catalogue_clusters,
    centred,
    effective_interests,
    semantic_coverage,
)
from zhiyin.evaluate.subtopics import alpha_ndcg, err_ia, subtopic_recall

__all__ = [
    "alpha_ndcg",
    "calibration_kl",
    "catalogue_clusters",
    "catalogue_coverage",
    "category_coverage",
    "category_entropy",
    "centred",
    "effective_interests",
    "err_ia",
    "exposure_gini",
    "hypervolume",
    "intra_list_distance",
    "long_tail_share",
    "mutual_information",
    "novelty",
    "pareto_front",
    "relevant_intra_list_distance",
    "relevant_vendi_score",
    "semantic_coverage",
    "serendipity",
    "subtopic_recall",
    "temporal_diversity",
    "vendi_score",
]
