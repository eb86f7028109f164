"""A packed row gives the answers of separate prompts, whoever lies beside whom."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.lm.tuning import PackedExample
from zhiyin.lm.tuning.examples import encode
from zhiyin.lm.tuning.learner import Learner
from zhiyin.lm.tuning.rows import CHUNK, lay_out

ANSWERS = ("y", "n")


def margins_of(base, examples, row_tokens=200):
    learner = Learner(base.model, base.tokenizer, answers=ANSWERS, row_tokens=row_tokens)
    return learner.scores(learner.encode(examples))


def separate(base, reference, examples):
    """Each branch as a prompt of its own, by an ordinary pass."""
    yes, no = (base.tokenizer(one, add_special_tokens=False)["input_ids"][0] for one in ANSWERS)
    found = []
    for one in examples:
        for branch, seen in zip(one.branches, one.sees, strict=True):
            texts = [*one.segments[:seen], branch]
            rows = base.tokenizer(texts, add_special_tokens=False)["input_ids"]
            prompt = np.concatenate([np.array(row) for row in rows])
            logits = reference.logits(base.model, prompt, [np.zeros(0, np.int64)], (yes, no))[0]
            found.append(logits[0] - logits[1])
    return np.array(found)


@pytest.mark.parametrize("row_tokens", [16, 1000])
def test_packed_answers_equal_those_of_separate_prompts(family, row_tokens, make_base, reference, tastes):
    base, examples = make_base(family), tastes(3, 0)
    found = margins_of(base, examples, row_tokens)
    np.testing.assert_allclose(found, separate(base, reference, examples), atol=2e-4)


def test_more_branches_than_a_chunk_holds(make_base, reference):
    base = make_base()
    branches = tuple(f" film {number}?" for number in range(60))
    one = PackedExample(("like:", " a", " b"), branches, (1, 2, 3) * 20, (1.0,) * 60)
    assert sum(len(branch) for branch in branches) > CHUNK
    np.testing.assert_allclose(margins_of(base, [one], 2000), separate(base, reference, [one]), atol=2e-4)


def test_what_is_told_anyway_is_asked_on_the_way(family, make_base, reference):
    base = make_base(family)
    telling = PackedExample(
        ("like:", " a=y", " bb=n", " c=y", " bb=y"),
        (" bb=", " a=", " c=", " d=", " bb="),
        (2, 1, 3, 3, 4),
        (1.0,) * 5,
    )
    learner = Learner(base.model, base.tokenizer, answers=ANSWERS, row_tokens=200)
    (encoded,) = learner.encode([telling])
    assert sorted(len(one) for one in encoded.branches) == [0, 0, 0, 0, 3]
    assert encoded.tokens == len("like: a=y bb=n c=y bb=" + " d=")
    found = margins_of(base, [telling], 16)
    np.testing.assert_allclose(found, separate(base, reference, [telling]), atol=2e-4)


def test_a_later_event_changes_no_earlier_answer(make_base):
    base = make_base()
    before = PackedExample(("like:", " a", " b"), (" c?", " d?"), (2, 3), (1.0, 0.0))
    after = PackedExample(("like:", " a", " z"), (" c?", " d?"), (2, 3), (1.0, 0.0))
    plain, planted = margins_of(base, [before]), margins_of(base, [after])
    assert plain[0] == planted[0] and plain[1] != planted[1]
    longer = PackedExample(("like:", " a", " a much longer film!"), (" c?", " d?"), (2, 3), (1.0, 0.0))
    np.testing.assert_allclose(margins_of(base, [longer])[0], plain[0], atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(16, 300), st.integers(1, 6), st.integers(0, 99))
def test_every_branch_is_laid_out_once_within_the_bound(row_tokens, count, seed):
    rng = np.random.default_rng(seed)
    examples = [
        PackedExample(
            tuple("s" * int(rng.integers(1, 9)) for _ in range(5)),
            tuple("b" * int(rng.integers(1, 9)) for _ in range(7)),
            tuple(int(one) for one in rng.integers(1, 6, 7)),
            tuple(rng.random(7)),
            str(number),
        )
        for number in range(count)
    ]
    encoded = encode(ByteTokenizer(), examples, longest=None)
    rows = list(lay_out(encoded, row_tokens))
    places = np.concatenate([row.places for row in rows])
    assert sorted(places) == list(range(7 * count))
    labels = np.concatenate([one.labels for one in examples])
    for row in rows:
        np.testing.assert_allclose(row.labels.numpy(), labels[row.places], rtol=1e-6)
        assert len(row.tokens) <= max(row_tokens, 2 * 40 + 9)
        assert int(row.last.max()) < len(row.tokens)


class ByteTokenizer:
    def __call__(self, texts, **options):
        return {"input_ids": [list(text.encode()) for text in texts]}


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(InputError, match="as many sees"):
        PackedExample(("a",), ("b", "c"), (1,), (1.0,))
    with pytest.raises(InputError, match="not there"):
        PackedExample(("a",), ("b",), (2,), (1.0,))
    with pytest.raises(InputError, match="no probability"):
        PackedExample(("a",), ("b",), (1,), (float("nan"),))
    with pytest.raises(InputError, match="priors"):
        PackedExample(("a",), ("b",), (1,), (1.0,), priors=(0.0, 1.0))
    with pytest.raises(InputError, match="empty"):
        PackedExample(("a",), ("",), (1,), (1.0,))
    with pytest.raises(InputError, match="Example 0 is too long"):
        encode(ByteTokenizer(), [PackedExample(("a" * 9,), ("b",), (1,), (1.0,))], longest=9)


def test_an_answer_of_two_tokens_is_refused(make_base):
    base = make_base()
    with pytest.raises(InputError, match="one token"):
        Learner(base.model, base.tokenizer, answers=("yes", "n"), row_tokens=64)
