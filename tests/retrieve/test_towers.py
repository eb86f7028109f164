"""Linear towers: the textbook form, its gradient, and what they learn."""

import numpy as np
import pytest
from scipy import sparse

from zhiyin.errors import ConfigError, InputError, NotFittedError
from zhiyin.retrieve.linear_towers import _halves
from zhiyin.retrieve.towers import LinearTowers


def made(users=60, items=40, d=2, seed=0, share=0.5):
    rng = np.random.default_rng(seed)
    full = rng.normal(size=(users, d)) @ rng.normal(size=(items, d)).T + 3.0
    seen = rng.random(full.shape) < share
    return full, sparse.csr_array(np.where(seen, full, 0.0)), seen


def own(n):
    return sparse.csr_array(sparse.eye_array(n, format="csr"))


def test_own_embeddings_fill_in_what_was_not_observed():
    full, ratings, seen = made()
    towers = LinearTowers(dimensions=3, regularisation=1e-3, rounds=100).fit(own(60), own(40), ratings)
    found = towers.users(own(60)) @ towers.items(own(40)).T
    assert np.mean((found - full)[~seen] ** 2) < 0.05 * full[~seen].var()
    assert towers.mse_[-1] < 0.01 < towers.mse_[0]
    rows, columns = np.nonzero(~seen)
    np.testing.assert_allclose(towers.predict(own(60), own(40), rows, columns), found[~seen])


def test_features_carry_over_to_users_and_items_never_seen():
    rng = np.random.default_rng(3)
    people, things = rng.normal(size=(80, 5)), rng.normal(size=(70, 4))
    w, v = rng.normal(size=(2, 5)), rng.normal(size=(2, 4))
    full = (people @ w.T) @ (things @ v.T).T
    ratings = sparse.csr_array(full[:60, :50])
    towers = LinearTowers(dimensions=2, regularisation=1e-4, rounds=100).fit(
        people[:60], things[:50], ratings
    )
    found = towers.users(people[60:]) @ towers.items(things[50:]).T
    assert np.mean((found - full[60:, 50:]) ** 2) < 0.01 * full.var()


def test_all_other_pairs_count_as_zero_with_their_weight():
    _, ratings, seen = made(share=0.2)
    ratings.data[:] = 1.0
    args = own(60), own(40), ratings
    without, with_zeros = (
        LinearTowers(dimensions=4, regularisation=0.1, negatives=weight).fit(*args) for weight in (0.0, 0.5)
    )
    far = [np.mean((one.users(own(60)) @ one.items(own(40)).T)[~seen] ** 2) for one in (without, with_zeros)]
    assert far[1] < 0.3 * far[0]


def test_a_tower_is_the_best_one_for_the_other_by_a_dense_solution():
    """Normal equations written out for every weight of W and b, with observed and all other pairs."""
    _, ratings, seen = made(users=12, items=9, share=0.4)
    people, others = (
        np.random.default_rng(1).normal(size=(12, 3)),
        np.random.default_rng(2).normal(size=(9, 2)),
    )
    towers = LinearTowers(dimensions=2, regularisation=0.5, negatives=0.3)
    w, b = np.zeros((2, 3)), np.zeros(2)
    for _ in range(20):
        w, b = towers._side(people, others, ratings, w, b)
    told = np.concatenate([people, np.ones((12, 1))], axis=1)
    left, right = 0.5 * np.diag([1, 1, 1, 0] * 2).astype(float), np.zeros(8)
    for user in range(12):
        for item in range(9):
            row = np.kron(others[item], told[user])
            left += (1.0 if seen[user, item] else 0.3) * np.outer(row, row)
            right += ratings[user, item] * row
    wanted = np.linalg.solve(left, right).reshape(2, 4)
    np.testing.assert_allclose(np.concatenate([w, b[:, None]], axis=1), wanted, atol=1e-6)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="do not fit"):
        LinearTowers().fit(own(3), own(2), sparse.csr_array((3, 3)))
    with pytest.raises(InputError, match="do not fit"):
        LinearTowers().fit(own(3), own(2), sparse.csr_array((3, 2)))
    with pytest.raises(NotFittedError):
        LinearTowers().users(own(3))
    with pytest.raises(ConfigError):
        LinearTowers(dimensions=0)


def test_no_half_history_holds_what_it_is_asked_for():
    _, ratings, _ = made()
    told, asked = _halves(ratings, 7)
    assert told.shape == asked.shape and (told.multiply(asked)).nnz == 0
    assert told.shape[0] <= 2 * 60
