"""What goes wrong, or nearly: odd data, damaged files, networks that start from others."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from zhiyin.checkpoint import Checkpoint
from zhiyin.data import Dataset
from zhiyin.errors import ArtifactError, ConfigError, InputError
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.neural import training
from zhiyin.retrieve.neural.pretraining import pretrain
from zhiyin.testing.data import COLD_ITEM, queries_for, small_dataset, small_split

SMALL = {"dimensions": 16, "words": False}


def untitled(share=0.5):
    """The small shop, some items without a title."""
    data = small_dataset()
    kept = np.arange(data.n_items) >= share * data.n_items
    titles = [title if keep else "" for title, keep in zip(data.catalogue.titles, kept, strict=True)]
    return Dataset.from_frames(events(data), pl.DataFrame({"item_id": data.catalogue.ids, "title": titles}))


def events(data, **more):
    users, items = data.events["user"].to_list(), data.events["item"].to_list()
    told = {"user_id": [data.user_ids[user] for user in users]}
    told["item_id"] = data.catalogue.ids_of(np.array(items, dtype=np.int32))
    return pl.DataFrame({**told, "timestamp": data.events["timestamp"].to_list(), **more})


@pytest.mark.parametrize("name", ["recommender-model", "matrix-factorization"])
def test_ratings_of_0_and_below_are_refused(name):
    data = small_dataset()
    values = [float(at % 5 - 1) for at in range(data.n_events)]
    with pytest.raises(InputError, match=r"(?s)0 and below.*-1.*Add the same number"):
        make_retriever(name).fit(Dataset.from_frames(events(data, value=values)))


def test_items_nobody_rated_are_not_listed():
    data = small_dataset()
    values = [float(at % 5 + 1) for at in range(data.n_events)]
    rated = Dataset.from_frames(events(data, value=values), pl.DataFrame({"item_id": data.catalogue.ids}))
    scores = make_retriever("recommender-model", epochs=1).fit(rated).scores(queries_for(["u0"]))
    assert (np.isinf(scores[0]) == (rated.counts == 0)).all()


def test_validation_that_tells_nothing_stops_nothing():
    first = events(small_dataset())
    cut = first["timestamp"].max() + 1
    again = Dataset.from_frames(pl.concat([first, first.with_columns(pl.col("timestamp") + cut)]))
    early = pl.col("timestamp") < cut
    train, valid = again.where(early, cut=cut), again.where(~early, cut=again.cut)
    network = make_retriever("sasrec", **SMALL, epochs=3, patience=1).fit(train, valid)
    assert network.epochs_ == 3 and network.course_.qualities == []


@pytest.mark.parametrize("harm", ["content", "numbers", "other network"])
def test_a_checkpoint_that_is_not_what_was_written_changes_nothing(harm, tmp_path):
    def module(width=3):
        torch.manual_seed(width)
        return nn.Linear(width, 2)

    file = tmp_path / "run.safetensors"
    first = module()
    Checkpoint(file).write(first.state_dict(), {}, [torch.optim.AdamW(first.parameters())], {"steps": 3})
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    state = load_file(file)
    if harm == "content":
        state["now.weight"][0, 0] += 1
    if harm == "numbers":
        metadata["numbers"] = '{"steps": 4}'
    save_file(state, file, metadata=metadata)
    later = module(4 if harm == "other network" else 3)
    before = later.weight.detach().clone()
    assert Checkpoint(file).read(later.state_dict(), [torch.optim.AdamW(later.parameters())]) is None
    assert torch.equal(later.weight, before)


def test_training_goes_on_where_nothing_can_be_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ZHIYIN_CACHE", str(tmp_path / "file"))
    course = make_retriever("ncf", epochs=3).fit(small_split().train).course_
    assert len(course.losses) == 3


def test_other_attributes_of_users_are_other_data():
    data = small_dataset()
    one, other = (
        Dataset.from_frames(events(data), users=pl.DataFrame({"user_id": data.user_ids, "club": clubs}))
        for clubs in (["red"] * data.n_users, ["blue"] * data.n_users)
    )
    assert one.fingerprint != other.fingerprint


def test_items_without_a_title_start_at_random():
    data = untitled()
    network = make_retriever("sasrec", **SMALL, text="start", epochs=1, learning_rate=1e-9).fit(data)
    own = network.model_.items.own.weight.detach().norm(dim=1).numpy()
    assert (own[data.counts > 0] > 0.05).all()


def test_new_texts_lie_where_the_texts_of_the_fit_lie(tmp_path):
    data = untitled(0.2)
    network = make_retriever("sasrec", **SMALL, text="start", epochs=2).fit(data)
    cold, old = int(data.catalogue.index_of([COLD_ITEM])[0]), data.catalogue
    fresh = [f"fresh{at}" for at in range(9)]
    titles = [old.titles[cold], *(f"STRANGE THING {at}" for at in range(8))]
    grown = old.updated(pl.DataFrame({"item_id": fresh, "title": titles}))
    network.save(tmp_path)
    changed = np.arange(len(old), len(grown), dtype=np.int32)
    for one in (network, type(network).load(tmp_path)):
        vectors = one.with_catalogue(grown, changed)._answers()
        np.testing.assert_allclose(vectors[len(old)], vectors[cold], atol=1e-5)
    renamed = old.updated(pl.DataFrame({"item_id": [COLD_ITEM], "title": [old.titles[-1]]}))
    told = network.with_catalogue(renamed, np.array([cold], dtype=np.int32))._answers()
    assert not np.allclose(told[cold], network._answers()[cold], atol=1e-3)
    np.testing.assert_array_equal(np.delete(told, cold, 0), np.delete(network._answers(), cold, 0))


def test_titles_may_come_later():
    data = untitled(1.0)
    network = make_retriever("sasrec", **SMALL, epochs=1).fit(data)
    grown = data.catalogue.updated(pl.DataFrame({"item_id": ["fresh"], "title": ["RED CANDLE"]}))
    told = network.with_catalogue(grown, np.array([data.n_items], dtype=np.int32))
    assert np.abs(told.inputs_.numpy()).max() < 10


def test_pretraining_is_by_texts_alone_and_by_its_seed(tmp_path):
    data, found = small_dataset(), []
    for at, seed in enumerate((7, 7, 8)):
        torch.manual_seed(at)
        network = make_retriever("sasrec", **SMALL, seed=seed)
        folder = tmp_path / str(at)
        folder.mkdir()
        found.append(pretrain([network], [data], folder, epochs=2).losses)
        assert not network.model_.items.own.weight.any()
    assert found[0] == found[1] != found[2]
    for name, params in (("two-tower", {}), ("sasrec", {"negatives": 8})):
        pretrain([make_retriever(name, **SMALL, **params)], [data], tmp_path, epochs=1)


def test_pretraining_refuses_what_it_does_not_know(tmp_path):
    data, network = small_dataset(), make_retriever("sasrec", **SMALL)
    for given in ({"objective": "foo"}, {"epochs": 0}):
        with pytest.raises(InputError, match="objective of next, masked"):
            pretrain([network], [data], tmp_path, **given)
    with pytest.raises(InputError, match="sasrec or two-tower"):
        pretrain([make_retriever("ease")], [data], tmp_path)
    pretrain([network], [data], tmp_path, epochs=1)
    for name, params in (("sasrec", {"heads": 4}), ("sasrec", {"layers": 2}), ("two-tower", {})):
        with pytest.raises(ArtifactError, match="does not fit"):
            make_retriever(name, **SMALL, **params, epochs=1, pretrained=str(tmp_path)).fit(data)
    weights = tmp_path / "pretrained.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ArtifactError, match=re.escape("Pre-train again")):
        make_retriever("sasrec", **SMALL, epochs=1, pretrained=str(tmp_path)).fit(data)


def test_another_pretrained_network_is_another_training(tmp_path):
    keys = []
    for seed in (7, 8):
        pretrain([make_retriever("sasrec", **SMALL, seed=seed)], [small_dataset()], tmp_path, epochs=1)
        keys.append(make_retriever("sasrec", **SMALL, pretrained=str(tmp_path))._started_from())
    assert keys[0] != keys[1]


def test_loading_leaves_the_callers_random_numbers(tmp_path):
    network = make_retriever("ncf", epochs=1).fit(small_split().train)
    network.save(tmp_path)
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    type(network).load(tmp_path)
    assert torch.equal(torch.rand(2), wanted)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ncf", {"hidden": [0]}),
        ("recommender-model", {"hidden": []}),
        ("two-tower", {"half_lives": []}),
        ("two-tower", {"half_lives": [-1.0]}),
        ("sasrec", {"length": 10**9}),
        ("lightgcn", {"dimensions": 10**7}),
    ],
)
def test_what_no_network_can_be(name, params):
    with pytest.raises(ConfigError):
        make_retriever(name, **params)


@pytest.mark.parametrize("name", ["ease", "sasrec", "lightgcn"])
def test_damaged_and_missing_states(name, tmp_path):
    retriever = make_retriever(name, **({} if name == "ease" else {"epochs": 1})).fit(small_split().train)
    retriever.save(tmp_path)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:50])
    with pytest.raises(ArtifactError, match="damaged"):
        type(retriever).load(tmp_path)


def test_arrays_that_do_not_fit_are_told():
    data = small_dataset()
    ease = make_retriever("ease").fit(data)
    queries = queries_for(["u0"])
    few = np.ones(3, dtype=bool)
    with pytest.raises(InputError, match="does not tell of all items"):
        ease.retrieve(replace(queries, allowed=few), 2)
    with pytest.raises(InputError, match="not in the catalogue"):
        ease.with_catalogue(data.catalogue, np.array([500]))
    for users in ([1, 2], np.array(["u1"]), np.array([10**6]), np.array([1.5]), np.array([True])):
        with pytest.raises(InputError, match="no indices"):
            data.to_torch(users)
