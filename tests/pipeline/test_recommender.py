"""The stages composed: each can be left out, each may fail, nothing is lost in save and load."""

import resource
import signal
from dataclasses import replace

import numpy as np
import pytest

import zhiyin as zy
from zhiyin.errors import ArtifactError, ConfigError, InputError, ModelError, NotFittedError
from zhiyin.pipeline.stages import Components, fill, run_stages
from zhiyin.testing import small_split
from zhiyin.types import Candidates

PLAIN = {"stages.rank.method": "none"}


@pytest.fixture(scope="module")
def shop(retail_split):
    return zy.Recommender.from_recipe("retail", PLAIN).fit(retail_split.train, retail_split.valid)


def test_slates_hold_k_unseen_items_with_propensities(shop, retail_split):
    users = list(retail_split.train.user_ids[:20])
    found = shop.recommend(users, k=10)
    assert len(found) == 20 and all(len(set(items)) == 10 for items in found.items)
    known = shop.dataset.histories(shop.dataset.index_of_users(users))
    for items, seen in zip(found.slates.items, known.lists(), strict=True):
        assert not set(items.tolist()) & set(seen.tolist())
    assert ((found.slates.conditional > 0) & (found.slates.conditional <= 1)).all()
    frame = found.to_frame()
    assert frame.height == 200 and {"user_id", "item_id", "rank", "marginal", "reason"} <= set(frame.columns)


def test_batch_equals_single_through_all_stages(shop, retail_split):
    users = list(retail_split.train.user_ids[30:36])
    together = shop.recommend(users, k=8, keys=range(6))
    for row, user in enumerate(users):
        assert shop.recommend([user], k=8, keys=[row]).items[0] == together.items[row]


def test_unknown_and_absent_users_are_served(shop):
    found = shop.recommend([None, "never seen"], k=5)
    assert [len(items) for items in found.items] == [5, 5]


def test_a_stated_wish_is_heard(shop):
    titles = shop.recommend([None], text="red candle holder", k=10).titles[0]
    assert sum("CANDLE" in title or "HOLDER" in title for title in titles) >= 6
    plain, wished = (
        shop.recommend(["17850"]).items[0],
        shop.recommend(["17850"], text="garden tools").items[0],
    )
    assert plain != wished
    two = shop.recommend(["17850", "17850"], text=["christmas decoration", None], keys=[1, 1])
    assert two.items[0] != two.items[1]


def test_each_request_has_its_own_draws_and_slate_id(shop):
    found = shop.recommend([None] * 30)
    assert len(set(found.slates.ids)) == 30 and len({tuple(items) for items in found.items}) > 1
    for keys in ([-1], [2**64], [1, 2]):
        with pytest.raises(InputError, match="One key a user"):
            shop.recommend([None], keys=keys)
    with pytest.raises(InputError, match="not a string"):
        shop.recommend([17850])


def test_a_wish_that_nobody_hears_is_noted():
    split = small_split()
    ease = {**PLAIN, "stages.retrieve.method": "ease"}
    recommender = zy.Recommender.from_recipe("retail", ease).fit(split.train)
    assert "not heard" in recommender.recommend(["u0"], text="blue mug").notes[0]
    assert recommender.recommend(["u0"]).notes == ()


def test_validation_without_anything_to_learn_gives_weight_zero():
    import polars as pl

    from zhiyin.data import Dataset

    rows = [(f"u{user}", f"i{(user + step) % 9}", 100.0 * step) for user in range(12) for step in range(4)]
    late = [("new", "i1", 900.0), ("newer", "i2", 950.0)]
    events = pl.DataFrame(rows + late, schema=["user_id", "item_id", "timestamp"], orient="row")
    split = zy.split_by_time(Dataset.from_frames(events), valid=0.02, test=0.02)
    recommender = zy.Recommender.from_recipe("retail").fit(split.train, split.valid)
    assert recommender.components.ranker.weight == 0 and recommender.recommend(["u0"], k=3).items[0]


def test_a_member_that_does_not_suit_the_data_is_left_out():
    small = {**PLAIN, "stages.retrieve.params.members": [
        {"method": "vectors", "params": {"vectors": "sounds"}}, {"method": "popular"}]}  # fmt: skip
    recommender = zy.Recommender.from_recipe("retail", small).fit(small_split().train)
    assert set(recommender.components.retriever.members_) == {"popular"}


def test_the_recipes_seed_reaches_the_members():
    split = small_split()
    one, two, again = (
        zy.Recommender.from_recipe("retail", {**PLAIN, "seed": seed}).fit(split.train) for seed in (1, 2, 1)
    )
    factors = [made.components.retriever.members_["als"].item_factors_ for made in (one, two, again)]
    assert (factors[0] != factors[1]).any() and (factors[0] == factors[2]).all()


def test_an_item_already_taken_can_be_explained(shop):
    history = shop.dataset.histories(shop.dataset.index_of_users(["17850"])).items
    explanation = shop.explain("17850", shop.dataset.catalogue.ids[history[0]])
    assert explanation.score > 0


def test_only_allowed_items_are_shown(shop):
    allowed = list(shop.dataset.catalogue.ids[100:130])
    found = shop.recommend([None, "17850"], k=10, allowed=allowed)
    assert all(set(items) <= set(allowed) and len(items) == 10 for items in found.items)


def test_the_same_key_gives_the_same_slate(shop):
    one = shop.recommend(["17850"] * 40, keys=list(range(40)))
    two = shop.recommend(["17850"] * 40, keys=list(range(40)))
    assert one.items == two.items and len({tuple(items) for items in one.items}) > 1
    assert len(set(one.slates.ids)) == 40


@pytest.mark.parametrize("stage", ["retrieve", "rank", "diversify", "explore", "describe"])
def test_any_stage_can_be_none(stage):
    small = {
        "stages.retrieve.method": "ease", "stages.retrieve.params.regularisation": 5.0,
        "stages.rank.method": "none", f"stages.{stage}.method": "none",
    }  # fmt: skip
    split = small_split()
    recommender = zy.Recommender.from_recipe("retail", small).fit(split.train, split.valid)
    assert len(recommender.recommend(["u0"], k=4).items[0]) == 4
    assert bool(recommender.describe("u0").text) is (stage != "describe")


def test_explore_none_is_greedy(retail_split):
    overrides = {**PLAIN, "stages.explore.method": "none", "stages.retrieve.method": "recent-popular"}
    recommender = zy.Recommender.from_recipe("retail", overrides).fit(retail_split.train)
    assert (recommender.recommend(["17850"]).slates.conditional == 1).all()


def test_save_and_load_answer_alike(shop, tmp_path):
    shop.save(tmp_path / "run")
    loaded = zy.Recommender.load(tmp_path / "run")
    users = ["17850", None, "12347"]
    before, after = (one.recommend(users, reasons=True, keys=[1, 2, 3]) for one in (shop, loaded))
    assert before.to_dict()["rows"] == after.to_dict()["rows"]
    assert loaded.describe("17850").text == shop.describe("17850").text
    assert loaded.recipe.model_dump() == shop.recipe.model_dump()
    version = next((tmp_path / "run" / "versions").iterdir())
    (version / "retriever" / "ease" / "state.safetensors").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"ease/state\.safetensors has changed"):
        zy.Recommender.load(tmp_path / "run")


def test_a_full_disk_keeps_the_saved_recommender(shop, tmp_path):
    """The operating system refuses files beyond 512 KiB; the catalogue fits, the models do not."""
    shop.save(tmp_path / "run")
    before = (tmp_path / "run" / "current").read_text()
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, old[1]))
    try:
        with pytest.raises(ArtifactError, match="Could not write"):
            shop.save(tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "run" / "current").read_text() == before
    assert len(list((tmp_path / "run" / "versions").iterdir())) == 1
    loaded = zy.Recommender.load(tmp_path / "run")
    assert loaded.recommend(["17850"], keys=[1]).items == shop.recommend(["17850"], keys=[1]).items


def test_reasons_name_the_history_and_pass_their_test(shop):
    found = shop.recommend(["12347"], reasons=True)
    history = shop.dataset.histories(shop.dataset.index_of_users(["12347"])).items
    titles = {shop.dataset.catalogue.titles[item] for item in history}
    spoken = [reason for reason in found.reasons[0] if reason.startswith("Because of ")]
    assert len(spoken) >= 5
    explanation = shop.explain("12347", found.items[0][0])
    assert set(explanation.because) <= titles and explanation.drop > explanation.random_drop
    assert explanation.score == pytest.approx(sum(explanation.shares.values()), rel=1e-4)
    with pytest.raises(InputError, match="no such item"):
        shop.explain("12347", "no such item")


def test_a_reason_can_fail_its_test(shop):
    """For someone with no history nothing is named."""
    explanation = shop.explain(None, shop.recommend([None]).items[0][0])
    assert explanation.because == () and explanation.reason in {"Popular lately", ""}


class Broken:
    def __init__(self, answer):
        self.answer = answer

    def rank(self, queries, candidates):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(candidates)

    reorder = rank


def swapped(candidates):
    items = candidates.items.copy()
    items[0, 0] = items[0, 1]
    return Candidates(items, candidates.scores, candidates.features)


@pytest.mark.parametrize("stage", ["ranker", "diversifier"])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ModelError("out of memory"), "failed, order kept: out of memory"),
        (RuntimeError("torch said no"), "failed, order kept: torch said no"),
        (KeyError("lost"), "failed, order kept: 'lost'"),
        (swapped, "changed the candidates of 1 users"),
        (lambda candidates: candidates.head(3), "changed the candidates of 2 users"),
    ],
)
def test_a_failing_stage_keeps_the_order_and_says_so(shop, stage, answer, words):
    queries = shop.queries(["17850", "12347"])
    good = Components(**{**shop.components.__dict__, "diversifier": None})
    expected = run_stages(good, queries, n=50, k=5, seed=7)
    trace = run_stages(replace(good, **{stage: Broken(answer)}), queries, n=50, k=5, seed=7)
    assert (trace.slates.items == expected.slates.items).all()
    assert len(trace.notes) == 1 and words in trace.notes[0]


def test_a_failing_retriever_gives_popular_items(shop):
    class Failing:
        def retrieve(self, queries, n):
            raise ModelError("gone")

    parts = replace(shop.components, retriever=Failing(), diversifier=None)
    trace = run_stages(parts, shop.queries(["17850"]), n=50, k=5, seed=7)
    assert "popular items instead: gone" in trace.notes[0] and (trace.slates.items >= 0).all()


def test_fill_completes_rows_without_repeats():
    one = Candidates(
        np.int32([[3, 1, -1, -1], [-1] * 4]), np.float32([[2, 1, -np.inf, -np.inf], [-np.inf] * 4])
    )
    spare = Candidates(np.int32([[1, 3, 5, 7], [9, 8, -1, -1]]), np.zeros((2, 4), np.float32))
    full = fill(one, spare)
    assert full.items.tolist() == [[3, 1, 5, 7], [9, 8, -1, -1]]
    assert (np.diff(full.scores[0]) < 0).all()


def test_bad_arguments_are_refused(shop):
    with pytest.raises(InputError, match="users is one string"):
        shop.recommend("17850")
    with pytest.raises(InputError, match="k is too small"):
        shop.recommend(["17850"], k=0)
    with pytest.raises(InputError, match="One text a user"):
        shop.recommend(["17850"], text=["a", "b"])
    with pytest.raises(InputError, match="no such item"):
        shop.recommend(["17850"], allowed=["no such item"])
    with pytest.raises(NotFittedError):
        zy.Recommender.from_recipe("retail").recommend(["17850"])
    with pytest.raises(ConfigError, match="No retriever is called"):
        split = small_split()
        zy.Recommender.from_recipe("retail", {"stages.retrieve.method": "magic"}).fit(split.train)
    with pytest.raises(ArtifactError, match="holds no saved recommender"):
        zy.Recommender.load("no/such/folder")


def test_compare_adds_the_trivial_rules(shop, retail_split, tmp_path):
    task = retail_split.task("test")
    lists = shop.run(task.queries, k=5).slates.items
    import polars as pl

    rows = [
        (user, shop.dataset.catalogue.ids[item], place)
        for user, items in zip(task.queries.users, lists, strict=True)
        for place, item in enumerate(items, 1)
    ]
    path = tmp_path / "lists.parquet"
    pl.DataFrame(rows, schema=["user_id", "item_id", "rank"], orient="row").write_parquet(path)
    table = zy.compare({"mine": shop, "theirs": path}, retail_split, k=5)
    assert table.names == ("random", "popular", "recent-popular", "mine", "theirs")
    means = {name: table.intervals[name]["ndcg@5"].mean for name in table.names}
    assert means["mine"] == means["theirs"] > means["recent-popular"] > means["random"]
    assert table.differences["mine"]["ndcg@5"].low > 0
    with pytest.raises(InputError, match="trivial rule"):
        zy.compare({"popular": shop}, retail_split)
    with pytest.raises(zy.ZhiyinError, match="cannot be read"):
        zy.compare({"x": tmp_path / "absent.parquet"}, retail_split)


def test_a_ranker_learns_from_lists_of_users_that_taught_nothing(monkeypatch, retail_split):
    """The blend's trees know the choices that they learned from; a ranker would take that for foresight."""
    from zhiyin.pipeline import building

    taught, asked = [], []

    class Watched(building.ManyRetrievers):
        Config = building.resolve("retriever", "blend").Config

        def _learn(self, train, task):
            self.weights_ = {"ease": 1.0}
            self.users = set() if task is None else set(task.queries.users)

        def retrieve(self, queries, n):
            taught.append(self.users)
            asked.append(set(queries.users))
            return self.members_["ease"].retrieve(queries, n)

    whole = building.held_out_task(retail_split.train, retail_split.valid)
    watched = Watched(members=[{"method": "ease"}]).fit(retail_split.train, retail_split.valid)
    for n in (60, 1000):
        taught.clear(), asked.clear()
        rows = building._learnable(whole, n, 7)
        shown = building._shown(watched, retail_split.train, whole, rows, 5)
        assert all(one and not one & other for one, other in zip(taught, asked, strict=True))
        assert set().union(*asked) == set(whole.take(rows).queries.users)
        alone = watched.members_["ease"].retrieve(whole.take(rows).queries, 5)
        np.testing.assert_array_equal(shown.items, alone.items)
