"""The store's contract suite, on every database at hand."""

import pytest

from zhiyin.testing import STORE_CHECKS


def test_the_suite_is_whole():
    assert len(STORE_CHECKS) >= 14


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
def test_contract(check, make):
    check(make)
