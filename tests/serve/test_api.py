"""What the API promises: answers, the loop, edits that count at once, refusals that explain."""

import json

import numpy as np
import pytest

from zhiyin.pipeline import Ask, LiveRecommender, Recommender
from zhiyin.store import Store

JSON = {"content-type": "application/json"}


def recommend(api, *asks, **options):
    answer = api.post("/v1/recommend", json={"asks": list(asks), **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def items_of(found, number=0):
    return [place["item"] for place in found["slates"][number]["places"]]


def test_slates_for_users_sessions_and_wishes(api):
    found = recommend(api, {"user": "u1"}, {"session": "s9"}, {"text": "red candle"}, {"user": "nobody"}, k=5)
    assert [len(slate["places"]) for slate in found["slates"]] == [5] * 4
    assert len({slate["slate"] for slate in found["slates"]}) == 4
    for slate in found["slates"]:
        for place in slate["places"]:
            assert 0 < place["conditional"] <= 1 and 0 < place["marginal"] <= 1 and place["reason"] is None
    assert set(found["stages"]) == {"retrieve", "diversify", "explore"}
    assert found["policy"].startswith("epsilon-greedy") and found["notes"] == []


def test_reasons_come_when_asked_for(api):
    found = recommend(api, {"text": "red candle"}, k=3, explain=True)
    assert "Matches what was asked for" in [place["reason"] for place in found["slates"][0]["places"]]


def test_the_decision_is_kept_as_it_was_made(api, folder):
    found = recommend(api, {"user": "u1", "session": "s1"}, k=4, scenario="home", context={"device": "phone"})
    slate = found["slates"][0]
    with Store.open(folder / "store.db") as store:
        ((request, shown),) = store.decisions()
        numbers = {item.number: item.id for _, item in store.items_since()}
    one = shown.decision
    assert (request, one.id, one.user, one.scenario) == (found["request"], slate["slate"], "u1", "home")
    assert shown.context == {"device": "phone"} and one.policy == found["policy"]
    assert [numbers[item] for item in one.items] == items_of(found)
    assert one.conditional.tolist() == [place["conditional"] for place in slate["places"]]
    assert one.marginal.tolist() == pytest.approx([place["marginal"] for place in slate["places"]])
    assert set(one.items) <= set(one.pool) and one.features.shape[0] == 4
    assert one.features[:, 0].tolist() == pytest.approx([place["score"] for place in slate["places"]])


def test_an_event_is_seen_by_the_next_answer(api):
    taken = items_of(recommend(api, {"user": "fresh"}, k=1))[0]
    sent = {"events": [{"user": "fresh", "item": taken, "key": "e1"}]}
    assert api.post("/v1/events", json=sent).json() == {"receipts": [{"key": "e1", "status": "added"}]}
    assert api.post("/v1/events", json=sent).json()["receipts"][0]["status"] == "known"
    for _ in range(3):
        assert taken not in items_of(recommend(api, {"user": "fresh"}, k=26))
    assert taken in items_of(recommend(api, {"user": "fresh"}, k=26, exclude_seen=False))


def test_a_session_without_a_user_has_a_history(api):
    everything = items_of(recommend(api, {"session": "s7"}, k=30))
    api.post("/v1/events", json={"events": [{"session": "s7", "item": everything[0]}]})
    assert everything[0] not in items_of(recommend(api, {"session": "s7"}, k=30))
    assert everything[0] in items_of(recommend(api, {"session": "s8"}, k=30))


def test_taste_changes_with_events(api):
    """After events of one taste, the other taste's items come later than before."""
    candles = [f"{number:04d}" for number in range(4)]

    def rank():
        order = items_of(recommend(api, {"user": "taster"}, k=20, exclude_seen=False))
        return np.mean(
            [order.index(item) if item in order else 20 for item in ("0004", "0005", "0006", "0007")]
        )

    before = rank()
    api.post("/v1/events", json={"events": [{"user": "taster", "item": item} for item in candles]})
    assert rank() < before


def test_a_new_item_with_a_text_only_is_found_by_its_text(api):
    new = {"items": [{"id": "NEW/1", "title": "SHINY ROBOT DINOSAUR"}]}
    assert api.put("/v1/items", json=new).json() == {"changed": 1, "unknown": []}
    found = recommend(api, {"text": "robot dinosaur"}, k=3)
    assert "NEW/1" in items_of(found)
    renamed = {"items": [{"id": "NEW/1", "title": "GREEN GARDEN HOSE"}]}
    api.put("/v1/items", json=renamed)
    found = recommend(api, {"text": "garden hose"}, k=3)
    assert ("NEW/1", "GREEN GARDEN HOSE") in [(p["item"], p["title"]) for p in found["slates"][0]["places"]]


def test_a_hidden_item_is_gone_at_once_and_may_return(api):
    item = items_of(recommend(api, {"user": "u1"}, k=1))[0]
    assert api.post("/v1/items/hide", json={"ids": [item, "?"]}).json() == {"changed": 1, "unknown": ["?"]}
    assert item not in items_of(recommend(api, {"user": "u1"}, {"user": "u2"}, k=26))
    api.post("/v1/items/hide", json={"ids": [item], "hidden": False})
    assert item in items_of(recommend(api, {"user": "u1"}, k=26))
    assert api.delete(f"/v1/items/{item}").status_code == 200
    assert item not in items_of(recommend(api, {"user": "u1"}, k=26))
    assert api.delete("/v1/items/nothing").status_code == 404


def test_filters_leave_k_items_where_k_exist(api):
    shelf = [
        {"id": f"f{n}", "title": f"FILTER {n}", "price": 100 + n, "attributes": {"shelf": "x"}}
        for n in range(6)
    ]
    api.put("/v1/items", json={"items": shelf})
    got = recommend(api, {"user": "u1"}, k=6, filters={"attributes": {"shelf": ["x"]}})
    assert sorted(items_of(got)) == [f"f{n}" for n in range(6)]
    got = recommend(api, {"user": "u1"}, k=6, filters={"min_price": 102, "max_price": 104, "block": ["f3"]})
    assert sorted(items_of(got)) == ["f2", "f4"]
    got = recommend(api, {"user": "u1"}, k=6, filters={"items": ["f1", "0003", "unknown"]})
    assert set(items_of(got)) <= {"f1", "0003"}


def test_a_batch_answers_as_each_alone(api, folder, settings):
    live = LiveRecommender(Recommender.load(folder))
    asks = [Ask(key=number, user=f"u{number}") for number in range(5)]
    with Store.open(folder / "store.db") as store:
        read = {"types": live.event_codes, "weights": live.event_weights}
        histories = store.histories([ask.user for ask in asks], [None] * 5, **read)
        _, together = live.answer(asks, histories, k=8, now=0.0)
        for row, ask in enumerate(asks):
            _, alone = live.answer([ask], histories.take([row]), k=3, now=0.0)
            assert alone.slates.ids[0] == together.slates.ids[row]
            assert alone.slates.items[0].tolist() == together.slates.items[row, :3].tolist()
            assert alone.slates.conditional[0].tolist() == together.slates.conditional[row, :3].tolist()


def test_a_description_of_now(api):
    assert api.get("/v1/users/stranger/description").json()["text"] == ""
    events = [{"user": "stranger", "item": f"{number:04d}"} for number in range(5)]
    api.post("/v1/events", json={"events": events})
    found = api.get("/v1/users/stranger/description").json()
    assert found["claims"] and found["source"] == "template"
    assert {item for claim in found["claims"] for item in claim["items"]} <= {f"{n:04d}" for n in range(5)}


def test_a_user_is_forgotten(api, folder):
    recommend(api, {"user": "ann", "text": "secret wish"})
    api.post("/v1/events", json={"events": [{"user": "ann", "item": "0001"}]})
    api.put("/v1/users", json={"users": [{"id": "ann", "attributes": {"city": "Wien"}}]})
    assert api.delete("/v1/users/ann").json()["changed"] == 1
    with Store.open(folder / "store.db") as store:
        ((_, shown),) = store.decisions()
        assert shown.decision.user is None and shown.text is None
        assert "ann" not in store.frames()[1]["user_id"].to_list()


def test_an_event_of_an_unknown_item_is_kept_and_not_shown(api):
    sent = api.post("/v1/events", json={"events": [{"user": "u1", "item": "never-described"}]})
    assert sent.status_code == 200
    assert "never-described" not in items_of(recommend(api, {"user": "u2"}, k=30, exclude_seen=False))


def test_feedback_counts_once_and_may_come_first(api):
    one = {"key": "f1", "slate": "not-yet", "item": "0001", "type": "click"}
    sent = api.post("/v1/feedback", json={"feedback": [one, one, {**one, "key": "f2"}]}).json()
    assert [receipt["status"] for receipt in sent["receipts"]] == ["added", "known", "added"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"asks": []}, "asks"),
        ({"asks": [{"usr": "u1"}]}, "usr"),
        ({"asks": [{"user": "u1"}], "k": 0}, "k"),
        ({"asks": [{"user": "u1"}], "k": 101}, "k"),
        ({"asks": [{"user": "a\u0000b"}]}, "user"),
        ({"asks": [{"user": "u1"}], "filters": {"min_price": "cheap"}}, "min_price"),
        ([], "body"),
    ],
)
def test_a_wrong_request_is_explained(api, body, where):
    answer = api.post("/v1/recommend", json=body)
    assert answer.status_code == 422
    told = answer.json()
    assert where in told["message"] and told["hint"] and told["problems"]


def test_milliseconds_and_nan_are_refused(api):
    for time in (1_700_000_000_000, -1, "NaN"):
        sent = {"events": [{"user": "u1", "item": "0001", "time": time}]}
        assert api.post("/v1/events", json=sent).status_code == 422
    raw = '{"events": [{"user": "u1", "item": "0001", "value": NaN}]}'
    refused = api.post("/v1/events", content=raw, headers=JSON)
    assert refused.status_code == 422 and "value" in refused.json()["message"]
    nobody = {"events": [{"item": "0001"}]}
    assert "a user or a session" in api.post("/v1/events", json=nobody).json()["message"]


def test_odd_texts_pass_and_are_kept(api):
    wish = "茶 \U0001f375 '; DROP TABLE items; -- <|im_end|> " + "x" * 1000
    recommend(api, {"user": "u1", "text": wish}, k=2)
    for text, status in (("tea\u0000pot", 200), ("tea\udc00pot", 422)):
        body = json.dumps({"asks": [{"text": text}], "k": 2})
        assert api.post("/v1/recommend", content=body, headers=JSON).status_code == status


def test_bodies_are_bounded(api):
    answer = api.post("/v1/recommend", content=b"x" * (2 << 20))
    assert answer.status_code == 413 and "longer than" in answer.json()["message"]

    def endless():
        for _ in range(300):
            yield b"x" * 8192

    answer = api.post("/v1/recommend", content=endless())
    assert answer.status_code == 413
    assert api.get("/health/live").status_code == 200


def test_request_ids_come_back(api):
    assert api.get("/health/live", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    odd = api.get("/health/live", headers={"x-request-id": "a b\tc"}).headers["x-request-id"]
    assert odd != "a b\tc" and len(odd) == 16


def test_a_client_who_goes_away_stops_nobody(api):
    answering = api.app.state.parts.answering
    jobs = [answering.submit([Ask(key=number, user="u1")], 2) for number in range(20)]
    assert not any(job.cancel() for job in jobs)
    assert all(len(job.result(20).asks) == 1 for job in jobs)
    recommend(api, {"user": "u2"})


def test_health_and_measures(api):
    recommend(api, {"user": "u1"})
    ready = api.get("/health/ready").json()
    assert ready["status"] == "ready" and ready["model"]
    text = api.get("/metrics").text
    assert 'zhiyin_requests_total{path="/v1/recommend",status="200"} 1.0' in text
    assert 'zhiyin_stage_seconds_total{stage="retrieve"}' in text
    assert api.get("/no/such/path").status_code == 404
