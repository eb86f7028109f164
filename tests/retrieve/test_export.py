"""Exported networks answer as the ones in the process, in a runtime without torch."""

from itertools import pairwise

import numpy as np
import onnxruntime
import polars as pl
import pytest

from zhiyin.data import Dataset
from zhiyin.errors import InputError, NotFittedError
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.neural.export import export_onnx
from zhiyin.retrieve.neural.ncf import NCFRetriever
from zhiyin.testing.data import queries_for, small_split

USERS = ["u0", "u1", "u2", "u5", "u7"]


def asked(retriever, queries):
    """The questions as the file takes them."""
    if hasattr(retriever, "_sequences"):
        newest = retriever._sequences(queries.histories, until=queries.times).newest(retriever.config.length)
        batch = newest.batch()
        names = ["items", "kinds", "gaps", "asked", "lengths"]
        more = {} if retriever.people_ is None else {"people": retriever.people_.rows(queries.users)}
        return {**{name: getattr(batch, name).numpy() for name in names}, **more}
    n, life = retriever.n_items_, getattr(retriever, "half_life_", np.inf)
    plain, faded = queries.histories.matrix(n), queries.histories.matrix(n, life)
    weights = faded.data / plain.data if isinstance(retriever, NCFRetriever) else faded.data
    width = int(np.diff(plain.indptr).max())
    items = np.full((len(queries), width), -1, dtype=np.int64)
    values = np.full(items.shape, np.nan, dtype=np.float32)  # of pads: never read
    for row, (start, end) in enumerate(pairwise(plain.indptr)):
        items[row, : end - start] = plain.indices[start:end]
        values[row, : end - start] = weights[start:end]
    return {"items": items, "values": values}


def shop():
    """With ratings and attributes of users."""
    plain = small_split().train
    names = [plain.user_ids[user] for user in plain.events["user"]]
    events = pl.DataFrame(
        {
            "user_id": names,
            "item_id": plain.catalogue.ids_of(plain.events["item"].to_numpy()),
            "timestamp": plain.events["timestamp"],
            "value": [float(at % 5 + 1) for at in range(plain.n_events)],
        }
    )
    clubs = ["red" if name.endswith(("1", "3", "5", "7")) else "blue" for name in plain.user_ids]
    users = pl.DataFrame({"user_id": plain.user_ids, "club": clubs})
    return Dataset.from_frames(events, plain.catalogue.frame, users)


@pytest.mark.parametrize("name", ["sasrec", "two-tower", "lightgcn", "ncf", "recommender-model"])
def test_a_runtime_gives_the_same_scores(name, tmp_path):
    fading = {"half_life": 2.0} if name in ("lightgcn", "ncf") else {}
    dataset = shop()
    retriever = make_retriever(name, epochs=2, **fading).fit(dataset)
    file = export_onnx(retriever, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(file)
    queries = queries_for(USERS, dataset=dataset)
    found = session.run(["scores"], asked(retriever, queries))[0]
    wanted = retriever.scores(queries)
    assert found.shape == wanted.shape
    assert (np.isinf(found) == np.isinf(wanted)).all()
    known = np.isfinite(wanted)
    np.testing.assert_allclose(found[known], wanted[known], rtol=1e-4, atol=1e-5)
    alone = {key: value[:1] for key, value in asked(retriever, queries).items()}
    np.testing.assert_allclose(
        session.run(["scores"], alone)[0][known[:1]], wanted[:1][known[:1]], rtol=1e-4, atol=1e-5
    )


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(InputError, match="Only networks"):
        export_onnx(make_retriever("popular").fit(small_split().train), tmp_path / "model.onnx")
    with pytest.raises(NotFittedError):
        export_onnx(make_retriever("sasrec"), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
