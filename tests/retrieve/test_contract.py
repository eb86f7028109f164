"""Every registered retriever passes the one contract suite."""

import pytest

from zhiyin import registry
from zhiyin.retrieve import make_retriever
from zhiyin.testing import RETRIEVER_CHECKS

SMALL = {
    "als": {"factors": 8, "epochs": 5},
    "fusion": {
        "members": [
            {"method": name} for name in ("popular", "recent-popular", "item-knn", "ease", "semantic")
        ]
    },
}
SMALL["blend"] = SMALL["fusion"]
SMALL |= {name: {"epochs": 2} for name in ("recommender-model", "ncf", "lightgcn", "two-tower", "sasrec")}
NAMES = [name for name in registry.names("retriever") if name != "theirs"]


def test_all_retrievers_are_found():
    assert len(NAMES) == 22


@pytest.mark.parametrize("check", RETRIEVER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_contract(name, check):
    check(lambda: make_retriever(name, **SMALL.get(name, {})))
