"""Topic metrics against definitions written out; the ideal against all permutations."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.evaluate import diversity
from zhiyin.types import Ragged

topics = st.dictionaries(st.integers(0, 5), st.sets(st.sampled_from("xyz"), min_size=1), max_size=5)
users = st.lists(st.tuples(st.lists(st.integers(0, 6), max_size=6), topics), min_size=1, max_size=4)


def gain(row, table, k, alpha):
    counts, total, seen = {}, 0.0, set()
    for place, item in enumerate(row[:k]):
        if item in seen:
            continue
        seen.add(item)
        for topic in table.get(item, ()):
            total += (1 - alpha) ** counts.get(topic, 0) / math.log2(place + 2)
        for topic in table.get(item, ()):
            counts[topic] = counts.get(topic, 0) + 1
    return total


@settings(deadline=None, max_examples=120)
@given(users=users, k=st.integers(1, 5), alpha=st.sampled_from([0.0, 0.5, 1.0]))
def test_topic_metrics(users, k, alpha):
    shown, tables = [one for one, _ in users], [table for _, table in users]
    ndcg, recall, reader = [], [], []
    for row, table in users:
        names = {topic for one in table.values() for topic in one}
        best = max((gain(order, table, k, alpha) for order in itertools.permutations(table)), default=0.0)
        ndcg.append(gain(row, table, k, alpha) / best if names else math.nan)
        covered = {topic for item in row[:k] for topic in table.get(item, ())}
        recall.append(len(covered) / len(names) if names else math.nan)
        total = 0.0
        for topic in names:
            reading, seen = 1.0, set()
            for place, item in enumerate(row[:k]):
                if item not in seen and topic in table.get(item, ()):
                    total += reading * alpha / (place + 1) / len(names)
                    reading *= 1 - alpha
                seen.add(item)
        reader.append(total if names else math.nan)
    found = diversity.alpha_ndcg(shown, tables, k, alpha)
    # The greedy ideal may miss the best list by a little, never the other way.
    assert (np.isnan(found) == np.isnan(ndcg)).all()
    assert (np.nan_to_num(found) >= np.nan_to_num(ndcg) - 1e-12).all()
    np.testing.assert_allclose(diversity.subtopic_recall(shown, tables, k), np.array(recall, float))
    np.testing.assert_allclose(diversity.err_ia(shown, tables, k, alpha), np.array(reader, float), atol=1e-12)


def test_one_mapping_serves_all_and_arrays_are_read():
    table = {0: {"x"}, 1: {"x"}, 2: {"y"}}
    rows = [[0, 2], [0, 1], [2]]
    expected = diversity.alpha_ndcg(rows, [table] * 3, 2)
    array = np.array([[0, 2], [0, 1], [2, -1]])
    np.testing.assert_array_equal(diversity.alpha_ndcg(array, table, 2), expected)
    np.testing.assert_array_equal(diversity.alpha_ndcg(Ragged.from_lists(rows), table, 2), expected)
    assert expected[0] == 1.0


def test_without_repetition_alpha_does_not_matter_and_with_it_does():
    table = {0: {"x"}, 1: {"x"}, 2: {"y"}}
    assert diversity.alpha_ndcg([[0, 1]], table, 2, 0.0) == pytest.approx([1.0])
    assert diversity.alpha_ndcg([[0, 1]], table, 2, 1.0) < 0.7


@pytest.mark.parametrize("alpha", [-0.1, 1.1])
def test_refuses_an_alpha_out_of_range(alpha):
    with pytest.raises(InputError):
        diversity.alpha_ndcg([[0]], {0: {"x"}}, 1, alpha)


def test_refuses_other_users():
    with pytest.raises(InputError, match="number of users"):
        diversity.subtopic_recall([[0]], [{0: {"x"}}, {}], 1)
