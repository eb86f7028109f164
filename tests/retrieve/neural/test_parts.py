"""The parts of networks: losses and products beside what torch gives, sequences, attention."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from torch.nn import functional

from zhiyin.errors import InputError
from zhiyin.retrieve.neural.bags import Bags
from zhiyin.retrieve.neural.graphs import Propagation
from zhiyin.retrieve.neural.items import ItemTable, leading_axes
from zhiyin.retrieve.neural.networks import Attention, PooledTower
from zhiyin.retrieve.neural.pairs import PairNetwork, Pairs
from zhiyin.retrieve.neural.people import UserReader
from zhiyin.retrieve.neural.sequences import Sequences
from zhiyin.retrieve.neural.softmax import sample_items, softmax_loss
from zhiyin.types import Ragged

HISTORIES = st.lists(st.lists(st.integers(0, 9), max_size=12), min_size=1, max_size=8)


def known(n=10):
    return np.ones(n, dtype=bool)


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_fused_loss_and_its_gradients_are_those_of_torch(smoothing, weighted, monkeypatch):
    monkeypatch.setattr("zhiyin.retrieve.neural.softmax.BUFFER", 100)  # several chunks
    wanted, items = torch.randn(30, 5, generator=draws()), torch.randn(40, 5, generator=draws(1))
    targets = torch.randint(40, (30,), generator=draws(2))
    weights = torch.rand(30, generator=draws(3)) + 0.1 if weighted else None
    sides = []
    for fused in (True, False):
        left, right = (one.clone().requires_grad_() for one in (wanted, items))
        if fused:
            loss = softmax_loss(left, right, targets, weights=weights, smoothing=smoothing)
        else:
            each = functional.cross_entropy(
                left @ right.t(), targets, reduction="none", label_smoothing=smoothing
            )
            loss = each.mean() if weights is None else (each * weights).sum() / weights.sum()
        (3 * loss).backward()
        sides.append((loss.detach(), left.grad, right.grad))
    for one, other in zip(*sides, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_bfloat16_is_close():
    wanted, items = torch.randn(30, 64, generator=draws()), torch.randn(40, 64, generator=draws(1))
    targets = torch.randint(40, (30,), generator=draws(2))
    exact, fast = (softmax_loss(wanted, items, targets, low=low) for low in (False, True))
    assert abs(float(exact - fast)) < 0.02 * float(exact)


def test_a_sample_of_everything_is_everything():
    shares = torch.full((20,), 0.05, dtype=torch.float64)
    sample = sample_items(torch.arange(20), shares, 5000, 20, 1)
    assert sample.items.tolist() == list(range(20)) and sample.targets.tolist() == list(range(20))
    torch.testing.assert_close(sample.bias, torch.zeros(20), atol=1e-6, rtol=0)


def test_the_corrected_sum_over_a_sample_estimates_the_sum_over_all():
    """The mean of the corrected partition sums, over many samples, is the whole sum."""
    n, popular = 300, np.arange(1, 301, dtype=np.float64)
    shares = torch.from_numpy(popular / popular.sum())
    logits = torch.randn(n, generator=draws())
    wanted = float(logits.exp().sum())
    rng, found, plain = np.random.default_rng(0), [], []
    for seed in range(400):
        targets = torch.from_numpy(rng.choice(n, 60, p=shares.numpy()))
        sample = sample_items(targets, shares, 40, n, seed)
        found.append(float((logits[sample.items] + sample.bias).exp().sum()))
        plain.append(float(logits[sample.items].exp().sum()))
    error = 3 * np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - wanted) < error < 0.1 * wanted
    assert np.mean(plain) < 0.5 * wanted


def test_the_own_logit_of_a_target_is_not_corrected():
    wanted, items = torch.randn(1, 4, generator=draws()), torch.randn(3, 4, generator=draws(1))
    bias = torch.tensor([5.0, 1.0, 2.0])
    found = softmax_loss(wanted, items, torch.tensor([0]), bias=bias)
    logits = wanted @ items.t() + torch.tensor([0.0, 1.0, 2.0])
    torch.testing.assert_close(found, functional.cross_entropy(logits, torch.tensor([0])))


@settings(max_examples=60, deadline=None)
@given(HISTORIES, st.integers(1, 5), st.integers(1, 30))
def test_every_event_but_the_first_is_predicted_once_from_what_is_older(lists, length, events):
    history = Ragged.from_lists(lists)
    pieces = Sequences.of(history, known(), people=np.arange(len(lists))).pieces(length)
    found = []
    for batch in pieces.shuffled(np.random.default_rng(0), events):
        assert batch.items.shape[1] <= length and len(batch.lengths) >= 1
        at = zip(batch.rows.tolist(), batch.places.tolist(), strict=True)
        for (row, place), target in zip(at, batch.targets.tolist(), strict=True):
            found.append((int(batch.people[row]), int(batch.items[row, place]), target))
    wanted = [(user, before, after) for user, row in enumerate(lists) for before, after in pairwise(row)]
    assert sorted(found) == sorted(wanted)


def test_a_basket_is_predicted_whole_from_the_one_before():
    """And within a basket each line from the line before."""
    history = replace(
        Ragged.from_lists([[0, 1, 2, 3, 4, 5], [6, 7]]), times=np.array([1, 1, 2, 2, 2, 3, 5, 6.0])
    )
    batch = Sequences.of(history, known()).pieces(9).batch()
    found = sorted(
        (int(batch.items[row, place]), target)
        for row, place, target in zip(batch.rows, batch.places, batch.targets.tolist(), strict=True)
    )
    assert found == [(0, 1), (1, 2), (1, 3), (1, 4), (2, 3), (3, 4), (4, 5), (6, 7)]


@settings(max_examples=40, deadline=None)
@given(HISTORIES, st.integers(1, 5))
def test_the_newest_events_are_read_when_asked(lists, length):
    newest = Sequences.of(Ragged.from_lists(lists), known()).newest(length)
    seen = {}
    for rows, batch in newest.by_length(6):
        for row, items, size in zip(rows, batch.items.tolist(), batch.lengths.tolist(), strict=True):
            seen[int(row)] = items[:size]
    assert seen == {user: row[-length:] for user, row in enumerate(lists) if row}


def test_unknown_items_times_and_types_are_read_as_they_should():
    history = replace(
        Ragged.from_lists([[1, 99, 2, 3], []]),
        times=np.array([0.0, 10.0, 90.0, 90.0]),
        values=np.float32([1, 1, 0, 2]),
        events=np.int16([0, 0, 1, 7]),
    )
    until = np.array([90.0 + 3600.0, 0.0])
    every = Sequences.of(history, known(), until=until, kinds=2, asked_kind=1)
    assert every.items.tolist() == [1, 2, 3] and every.kinds.tolist() == [0, 1, 0]
    assert every.gaps.tolist() == [1, 0, 1 + 5]  # 90 s, at once, an hour
    batch = every.pieces(5).batch()
    assert batch.places.tolist() == [0, 1]  # what was worth nothing is no target
    assert (
        batch.targets.tolist() == [3, 3]
        and batch.weights.tolist() == [2, 2]
        and batch.asked.tolist() == [[1, 0]]
    )
    assert every.newest(5).batch().asked.tolist()[0] == [1, 0, 1]


def test_rare_items_are_worth_more_with_propensities():
    history = Ragged.from_lists([[0, 1, 2]])
    every = Sequences.of(history, known(3), propensity=np.array([1.0, 4.0, 0.5]))
    assert every.worth.tolist() == [1.0, 0.25, 2.0]


def network(kind, **params):
    torch.manual_seed(0)
    common = {"dropout": 0.0, "kinds": 2, "gaps": True, **params}
    if kind == "attention":
        return Attention(8, length=6, layers=2, heads=2, **common).eval()
    return PooledTower(8, half_lives=(1.0, 4.0), hidden=16, **common).eval()


@pytest.mark.parametrize("kind", ["attention", "pooled"])
def test_a_place_sees_nothing_newer_and_no_pads(kind):
    net = network(kind)
    for one in net.parameters():
        torch.nn.init.normal_(one, std=0.3)
    pieces = Sequences.of(Ragged.from_lists([[0, 1, 2, 3, 4], [5, 6]]), known(), kinds=2).newest(6)
    batch = pieces.batch()
    vectors = torch.randn(2, 5, 8, generator=draws())
    found = net(vectors, batch)
    other = vectors.clone()
    other[0, 3:], other[1, 2:] = torch.randn(2, 8), torch.randn(3, 8)  # a constant is nothing to a norm
    again = net(other, batch)
    torch.testing.assert_close(again[0, :3], found[0, :3])
    torch.testing.assert_close(again[1, :2], found[1, :2])
    assert (again[0, 3:] - found[0, 3:]).abs().max() > 0.01
    short = pieces.take(np.array([1])).batch()
    torch.testing.assert_close(net(vectors[1:, :2], short)[0], found[1, :2], atol=1e-5, rtol=1e-4)


def test_masked_attention_sees_both_sides_and_no_pads():
    net = network("attention")
    batch = Sequences.of(Ragged.from_lists([[0, 1, 2, 3], [5, 6]]), known(), kinds=2).newest(6).batch()
    vectors = torch.randn(2, 4, 8, generator=draws())
    found = net(vectors, batch, masked=True)
    other = vectors.clone()
    other[0, 3], other[1, 3] = torch.randn(8), torch.randn(8)
    again = net(other, batch, masked=True)
    assert (again[0, 0] - found[0, 0]).abs().max() > 1e-4
    torch.testing.assert_close(again[1, :2], found[1, :2])


def test_means_of_bags_and_their_gradient():
    places = torch.tensor([[2, 0, -1], [-1, -1, -1], [1, -1, -1], [0, 1, 2]])
    torch.manual_seed(0)
    bags = Bags(places, 5, 4, 1.0)
    wanted = torch.stack([bags.weight[row[row >= 0]].mean(0) if (row >= 0).any() else torch.zeros(4)
                          for row in places])  # fmt: skip
    push = torch.randn(4, 4)
    (want,) = torch.autograd.grad((wanted * push).sum(), bags.weight)
    for rows in (None, torch.arange(4)):
        found = bags(rows)
        torch.testing.assert_close(found, wanted)
        (have,) = torch.autograd.grad((found * push).sum(), bags.weight)
        torch.testing.assert_close(have, want)


def test_steps_through_the_graph_and_their_gradients():
    rows, columns = np.array([0, 0, 1, 2]), np.array([0, 2, 2, 1])
    graph = Propagation.of(rows, columns, (4, 3))
    dense = torch.zeros(4, 3)
    for user, item in zip(rows, columns, strict=True):
        dense[user, item] = 1 / np.sqrt((rows == user).sum() * (columns == item).sum())
    items = torch.randn(3, 5, generator=draws()).requires_grad_()
    found, wanted = graph.to_items(graph.to_users(items)), dense.t() @ (dense @ items)
    torch.testing.assert_close(found, wanted)
    one, other = (torch.autograd.grad(each.square().sum(), items)[0] for each in (found, wanted))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("products", [True, False])
def test_all_pairs_at_once_are_the_pairs_one_by_one(products):
    torch.manual_seed(0)
    net = PairNetwork(7, 4, (6, 3), 0.0, products=products).eval()
    histories = sparse.csr_array(np.float32([[1, 0, 2, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]]))
    rows, items = (torch.from_numpy(one.ravel()) for one in np.mgrid[:2, :7])
    pairs = Pairs(histories, rows, items, torch.zeros(14), torch.zeros(14))
    with torch.inference_mode():
        found, wanted = net.everything(histories), net(pairs).view(2, 7).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_an_item_is_asked_for_without_itself():
    torch.manual_seed(0)
    net = PairNetwork(5, 4, (6,), 0.0, products=True).eval()
    item, none = torch.tensor([2]), torch.zeros(1)
    row, own = torch.zeros(1, dtype=torch.int64), torch.tensor([3.0])
    with_it, without = (sparse.csr_array(np.float32([[1, 0, held, 0, 0]])) for held in (3.0, 0.0))
    with torch.inference_mode():
        found = net(Pairs(with_it, row, item, own, none))
        wanted = net(Pairs(without, row, item, none, none))
    torch.testing.assert_close(found, wanted)


def test_items_nobody_took_have_their_text_alone():
    taken = np.array([True, False, False])
    texts = np.float32([[1, 0], [0, 1], [0, 0]])
    torch.manual_seed(0)
    table = ItemTable(taken, 4, texts=texts).eval()
    with torch.inference_mode():
        vectors = table()
        torch.testing.assert_close(vectors[1], table.read(torch.tensor([0.0, 1.0])))
        assert not vectors[2].any()
        torch.testing.assert_close(table(torch.tensor([2, 0])), vectors[[2, 0]])
    assert table.known.tolist() == [True, True, False]


def test_leading_axes_keep_what_differs_most():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(200, 3)) * [5.0, 1.0, 0.01]).astype(np.float32)
    found = vectors @ leading_axes(vectors, 4)
    assert found.shape == (200, 4) and not found[:, 3].any()
    assert abs(np.corrcoef(found[:, 0], vectors[:, 0])[0, 1]) > 0.99


def test_masked_events_need_attention():
    from zhiyin.retrieve.neural.model import SequenceModel
    from zhiyin.retrieve.neural.objectives import Candidates, masked_events

    model = SequenceModel(ItemTable(known(3), 8), network("pooled"), 0.0)
    with pytest.raises(InputError, match="attention"):
        masked_events(model, Candidates.of(np.ones(3)), smoothing=0.0, low=False)


def test_users_are_known_by_what_several_share():
    frame = pl.DataFrame(
        {
            "user_id": [f"u{at}" for at in range(80)],
            "country": ["FR"] * 40 + ["DE"] * 39 + ["Tuvalu"],
            "age": [*range(20, 99), None],
        }
    )
    read = UserReader.of(frame)
    assert read.values == (*(f"age~{at}" for at in range(8)), "country=DE", "country=FR")
    rows = read.rows(["u3", "nobody", None, "u79", "u75"])
    assert rows[0] >= 0 and rows[4] >= 0 and rows[1:4].tolist() == [-1, -1, -1]
    for row, wanted in ((rows[0], {"country=FR", "age~0"}), (rows[4], {"country=DE", "age~7"})):
        assert {read.values[at] for at in read.places[row] if at >= 0} == wanted
    again = UserReader.from_state(read.state())
    assert again.values == read.values and (again.rows(["u75"]) == rows[4]).all()
    assert not any(b"u3" in array.tobytes() for array in read.state().values())
