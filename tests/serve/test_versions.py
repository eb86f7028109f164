"""New versions: made from the store, compared, switched under load, rolled back; damage is survived."""

import shutil
import threading

import numpy as np
import pytest
from starlette.testclient import TestClient

from zhiyin.artifacts import current_name, version_names
from zhiyin.cli import main
from zhiyin.errors import ArtifactError, StoreError
from zhiyin.pipeline import Recommender, compare, refit, roll_back
from zhiyin.serve.app import create_app
from zhiyin.serve.running import prepare, store_place
from zhiyin.store import Event, Item, ModelVersion, Store

ASK = {"asks": [{"user": "u1"}], "k": 3}
LATER = 1_600_000_000.0 + 120 * 86_400


def new_events(store, users=40):
    """Each user goes on in their own taste, after everything the model knows."""
    rng = np.random.default_rng(5)
    events = []
    for user in range(users):
        liked = rng.permutation(12)[:6] + user % 2 * 12
        times = LATER + rng.uniform(0, 30, 6) * 86_400
        events += [
            Event(f"{item:04d}", float(time), user=f"v{user}", key=f"{user}-{item}")
            for item, time in zip(liked, times, strict=True)
        ]
    store.add_events(events)


def damage(folder, name):
    path = next((folder / "versions" / name).rglob("state.safetensors"))
    path.write_bytes(path.read_bytes()[:-8] + b"damaged!")


def test_a_refit_knows_the_stores_events_and_is_compared(folder):
    with Store.open(folder / "store.db") as store:
        new_events(store)
        store.put_items([Item("late", "GREEN LAMP")])
        before = store.current_version()
        report = refit(folder, store)
        assert report.previous == before and report.version != before and report.comparison is not None
        assert set(report.comparison["lists"]) == {"random", "popular", "recent-popular", "current", "new"}
        assert report.comparison["baseline"] == "current" and "NDCG@10" in report.verdict
        assert report.promoted is (report.comparison["differences"]["new"]["ndcg@10"]["high"] >= 0)
        new = Recommender.load(folder, version=report.version)
        assert new.dataset.n_events == report.events == store.counts()["events"]
        assert new.dataset.catalogue.ids[-1] == "late"
        assert [version.name for version in store.versions()] == [before, report.version]


def test_the_comparison_leaks_nothing(folder, monkeypatch):
    """Neither of the two has seen an event of the test part."""

    seen = {}

    def spy(entries, split, **options):
        seen.update(entries, start=split.test.events["timestamp"].min())
        return compare(entries, split, **options)

    monkeypatch.setattr("zhiyin.pipeline.refitting.compare", spy)
    with Store.open(folder / "store.db") as store:
        new_events(store)
        refit(folder, store, promote=False)
    for entry in (seen["current"], seen["new"]):
        assert entry.dataset.events["timestamp"].max() < seen["start"]


def test_too_few_new_events_are_not_compared(folder):
    with Store.open(folder / "store.db") as store:
        store.add_events([Event("0001", LATER, user="u1")])
        report = refit(folder, store)
        assert report.comparison is None and report.promoted and "not compared" in report.verdict


def test_a_worse_version_is_kept_aside_unless_forced(folder):
    bad = {"stages.retrieve": {"method": "random"}, "stages.diversify.method": "none"}
    with Store.open(folder / "store.db") as store:
        new_events(store, users=200)
        before = store.current_version()
        report = refit(folder, store, overrides=bad)
        assert not report.promoted and report.verdict.startswith("worse")
        assert store.current_version() == before == current_name(folder)
        assert report.version in version_names(folder)
        assert refit(folder, store, overrides=bad, promote=True).promoted
        assert store.current_version() == report.version == current_name(folder)
        assert roll_back(folder, store) == before == store.current_version() == current_name(folder)
        with pytest.raises(StoreError, match="no version to go back"):
            roll_back(folder, store)


def test_a_rollback_to_damage_changes_nothing(folder):
    with Store.open(folder / "store.db") as store:
        before = store.current_version()
        store.add_events([Event("0001", LATER, user="u1")])
        after = refit(folder, store).version
        damage(folder, before)
        with pytest.raises(ArtifactError, match="damaged"):
            roll_back(folder, store)
        assert store.current_version() == after == current_name(folder)


def test_versions_switch_under_load_without_a_lost_request(folder, settings, wait_until):
    with TestClient(create_app(folder, store_place(folder, settings), settings)) as api:
        first = api.post("/v1/recommend", json=ASK).json()["model"]
        stop, answers = threading.Event(), []

        def load():
            while not stop.is_set():
                answer = api.post("/v1/recommend", json=ASK)
                answers.append((answer.status_code, answer.json().get("model")))

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            with Store.open(folder / "store.db") as store:
                store.add_events([Event("0001", LATER, user="u1")])
                second = refit(folder, store).version
                wait_until(lambda: answers and answers[-1][1] == second)
                roll_back(folder, store)
                wait_until(lambda: answers[-1][1] == first)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert {status for status, _ in answers} == {200}
        assert {model for _, model in answers} == {first, second}


def test_a_damaged_new_version_leaves_the_old_one_answering(folder, settings, wait_until):
    with TestClient(create_app(folder, store_place(folder, settings), settings)) as api:
        first = api.get("/health/ready").json()["model"]
        with Store.open(folder / "store.db") as store:
            store.add_events([Event("0001", LATER, user="u1")])
            second = refit(folder, store, promote=False).version
            damage(folder, second)
            store.promote(second, reason="test")
            wait_until(lambda: api.get("/health/ready").json()["status"] == "degraded")
            assert second in api.get("/health/ready").json()["problem"]
            assert api.post("/v1/recommend", json=ASK).json()["model"] == first
            assert "zhiyin_model_healthy 0.0" in api.get("/metrics").text
            roll_back(folder, store)


def test_a_start_with_a_damaged_version_takes_an_older_one(folder, settings):
    with Store.open(folder / "store.db") as store:
        first = store.current_version()
        store.add_events([Event("0001", LATER, user="u1")])
        second = refit(folder, store).version
    damage(folder, second)
    with TestClient(create_app(folder, store_place(folder, settings), settings)) as api:
        ready = api.get("/health/ready").json()
        assert (ready["status"], ready["model"]) == ("degraded", first)
        assert api.post("/v1/recommend", json=ASK).status_code == 200


def test_nothing_to_serve_is_said_in_one_line(folder, tmp_path, monkeypatch, capsys):
    damage(folder, current_name(folder))
    (folder / "store.db").unlink()
    for target, message in ((folder, "damaged"), (tmp_path / "absent", "holds no saved recommender")):
        monkeypatch.setattr("sys.argv", ["zhiyin", "serve", str(target)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert message in error and "Traceback" not in error


def test_another_shops_store_is_refused(folder, tmp_path):
    place = str(tmp_path / "other.db")
    with Store.open(place) as store:
        store.put_items([Item("not-ours")])
    with pytest.raises(StoreError, match="another catalogue"):
        prepare(folder, place)


def test_a_version_fitted_by_hand_answers_after_a_restart(folder):
    with Store.open(folder / "store.db") as store:
        first = store.current_version()
    again = Recommender.load(folder)
    other = Recommender(again.recipe.changed({"stages.diversify.params.diversity": 0.9}))
    second = other.fit(again.dataset).save(folder)
    prepare(folder, str(folder / "store.db"))
    with Store.open(folder / "store.db") as store:
        assert store.current_version() == second != first
        assert store.previous_version() == first


def test_seeding_is_all_or_nothing(folder, tmp_path, monkeypatch):
    """A start that is cut short half-way leaves an empty store, which the next start fills."""
    place = str(tmp_path / "half.db")

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zhiyin.store.frames._events", broken)
    with pytest.raises(StoreError, match="could not keep this"):
        prepare(folder, place)
    monkeypatch.undo()
    prepare(folder, place)
    with Store.open(place) as store, Store.open(folder / "store.db") as whole:
        assert store.counts()["events"] == whole.counts()["events"] > 0


def test_versions_of_a_store_survive_a_copy_of_the_folder(folder, tmp_path, settings):
    moved = shutil.copytree(folder, tmp_path / "moved")
    with TestClient(create_app(moved, store_place(moved, settings), settings)) as api:
        assert api.get("/health/ready").json()["status"] == "ready"


def test_unknown_versions_in_the_store_do_not_stop_a_start(folder, settings):
    with Store.open(folder / "store.db") as store:
        store.register_version(ModelVersion("gone", 9e9, "data"))
        store.promote("gone", reason="test")
    with TestClient(create_app(folder, store_place(folder, settings), settings)) as api:
        assert api.get("/health/ready").json()["status"] == "degraded"
