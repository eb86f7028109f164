"""The number of users, checked by drawing as many and looking how often the difference shows."""

import math

import numpy as np
import pytest
from scipy import stats

from zhiyin.errors import InputError
from zhiyin.evaluate import power


def test_so_many_users_find_it_as_often_as_asked():
    rng = np.random.default_rng(0)
    pilot = rng.normal(0.0, 0.3, 5000)
    n = int(power.users_needed(pilot, 0.05, power=0.8))
    found = [stats.ttest_1samp(rng.normal(0.05, 0.3, n), 0).pvalue < 0.05 for _ in range(2000)]
    assert 0.76 < np.mean(found) < 0.84
    smallest = power.detectable_difference(rng.normal(0.0, 0.3, n))
    assert smallest == pytest.approx(0.05, rel=0.15)


def test_unknown_users_do_not_count():
    values = np.array([0.1, np.nan, -0.1, 0.3, -0.3, np.nan])
    assert power.users_needed(values, 0.05) == power.users_needed(values[~np.isnan(values)], 0.05)
    assert math.isnan(power.detectable_difference([0.1]))


def test_warns_where_little_can_be_said():
    rng = np.random.default_rng(1)
    assert "Only 10 users" in power.too_small(rng.normal(0, 0.1, 10), 0.5)
    assert "57 users have truth; a difference below" in power.too_small(rng.normal(0, 0.15, 57), 0.04)
    assert power.too_small(rng.normal(0, 0.1, 2000), 0.1) is None
    assert "nothing can be concluded" in power.too_small([np.nan], 0.1)


@pytest.mark.parametrize(("x", "options"), [(0.0, {}), (0.1, {"power": 1.0}), (0.1, {"level": 0.0})])
def test_refuses_what_has_no_answer(x, options):
    with pytest.raises(InputError):
        power.users_needed([0.1, 0.2], x, **options)
