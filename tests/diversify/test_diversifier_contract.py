"""Every registered diversifier passes the one contract suite."""

import pytest

from zhiyin import registry
from zhiyin.testing import DIVERSIFIER_CHECKS
from zhiyin.testing.diversifiers import small_vectors

METHODS = ("mmr", "msd", "dpp", "ssd", "cover")


@pytest.mark.parametrize("check", DIVERSIFIER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", registry.names("diversifier"))
def test_contract(name, method, check):
    check(lambda: registry.resolve("diversifier", name)(method=method).fit(small_vectors()))
