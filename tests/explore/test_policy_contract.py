"""Every registered policy passes the one contract suite."""

import pytest

from zhiyin import registry
from zhiyin.explore import make_policy
from zhiyin.testing import POLICY_CHECKS


@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", registry.names("policy"))
def test_contract(name, check):
    check(lambda: make_policy(name))
