"""Contract suites: what every component of a room must do, for ours and for other people's.

Nothing shipped imports this package. A suite is a tuple of checks; a check takes a maker of fresh
components and raises AssertionError. With pytest::

    @pytest.mark.parametrize("check", RETRIEVER_CHECKS)
    def test_contract(check):
        check(lambda: MyRetriever())
"""

from __future__ import annotations

from zhiyin.testing.data import small_dataset, small_split
from zhiyin.testing.diversifiers import DIVERSIFIER_CHECKS
from zhiyin.testing.policies import POLICY_CHECKS
from zhiyin.testing.rankers import RANKER_CHECKS
from zhiyin.testing.retrievers import RETRIEVER_CHECKS
from zhiyin.testing.stores import STORE_CHECKS

__all__ = [
    "DIVERSIFIER_CHECKS",
    "POLICY_CHECKS",
    "RANKER_CHECKS",
    "RETRIEVER_CHECKS",
    "STORE_CHECKS",
    "small_dataset",
    "small_split",
]
