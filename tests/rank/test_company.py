"""Who took what a user took, and what else they took."""

from dataclasses import replace

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.rank.company import Company, in_words
from zhiyin.rank.language_model import LanguageModelRanker
from zhiyin.testing.models import tiny_language_model
from zhiyin.testing.rankers import small_examples
from zhiyin.types import Ragged

PEOPLE = [[0, 1, 2], [0, 1, 3], [0, 1], [4, 5], [1, 3]]


def items(*numbers):
    return np.array(numbers, dtype=np.int32)


def test_the_share_of_those_who_took_the_same():
    company = Company(Ragged.from_lists(PEOPLE), 7)
    # [0, 1] itself is left out; the others who share an item are 0, 1 and 4.
    np.testing.assert_allclose(company.shares(items(0, 1), np.arange(7)), [2 / 3, 1, 1 / 3, 2 / 3, 0, 0, 0])
    nearest = Company(Ragged.from_lists(PEOPLE), 7, people=2)
    np.testing.assert_allclose(nearest.shares(items(0, 1), items(2, 3)), [0.5, 0.5])


def test_nobody_near_is_not_known():
    company = Company(Ragged.from_lists(PEOPLE), 7)
    for history in (items(), items(6), items(-1, 99)):
        assert np.isnan(company.shares(history, items(0, 1))).all()
    assert np.isnan(Company(Ragged.from_lists([]), 7).shares(items(1), items(1))).all()
    assert in_words("Teapot", np.nan) == "Teapot"
    assert in_words("茶壶", 1.0, "zh") == "茶壶（口味相同的10人中有10人选择）"


def test_it_is_kept(tmp_path):
    company = Company(Ragged.from_lists(PEOPLE), 7)
    company.save(tmp_path)
    again = Company.load(tmp_path, 7)
    assert np.array_equal(again.shares(items(0, 1), np.arange(7)), company.shares(items(0, 1), np.arange(7)))


def test_the_model_is_told_where_it_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIYIN_CACHE", str(tmp_path / "cache"))
    model = str(tiny_language_model(tmp_path / "tiny"))
    examples = small_examples()
    with pytest.raises(InputError, match="company"):
        LanguageModelRanker(model=model, company=True).fit(examples)
    told = replace(examples, others=examples.queries.histories)
    plain, wise = (
        LanguageModelRanker(model=model, company=one, weight=1.0, scoring="yes-no").fit(told)
        for one in (False, True)
    )
    names = wise._told("yes-no", told.queries.histories.items[:2], told.candidates.items[0])
    assert all("of 10 people" in name for name in names)
    assert wise._told("likelihood", told.queries.histories.items[:2], items(0))[0] == examples.titles[0]
    before, after = (one.rank(told.queries, told.candidates) for one in (plain, wise))
    name = "rank.language-model"
    assert not np.allclose(before.features[name], after.features[name], equal_nan=True)
    (tmp_path / "kept").mkdir()
    wise.save(tmp_path / "kept")
    again = LanguageModelRanker.load(tmp_path / "kept").rank(told.queries, told.candidates)
    assert np.array_equal(again.items, after.items)
