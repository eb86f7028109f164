"""Exported networks answer as the ones in the process, in a runtime without torch."""

import numpy as np
import onnxruntime
import pytest

from zhiyin.errors import InputError, NotFittedError
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.neural.export import export_onnx
from zhiyin.testing.data import queries_for, small_split

USERS = ["u0", "u1", "u2", "u5", "u7"]


def asked(retriever, queries):
    """The questions as the file takes them."""
    if hasattr(retriever, "_sequences"):
        newest = retriever._sequences(queries.histories, until=queries.times).newest(retriever.config.length)
        batch = newest.batch()
        names = ("items", "kinds", "gaps", "asked", "lengths")
        return {name: getattr(batch, name).numpy() for name in names}
    width = int(queries.histories.lengths.max())
    items = np.full((len(queries), width), -1, dtype=np.int64)
    values = np.ones(items.shape, dtype=np.float32)
    for row, history in enumerate(queries.histories.lists()):
        items[row, : len(history)] = history
    return {"items": items, "values": values}


@pytest.mark.parametrize("name", ["sasrec", "two-tower", "lightgcn", "ncf", "recommender-model"])
def test_a_runtime_gives_the_same_scores(name, tmp_path):
    retriever = make_retriever(name, epochs=2).fit(small_split().train)
    file = export_onnx(retriever, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(file)
    queries = queries_for(USERS)
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
