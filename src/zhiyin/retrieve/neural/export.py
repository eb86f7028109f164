"""Trained networks as ONNX files, for runtimes without Python; knows networks by what they export."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from zhiyin.artifacts import write_bytes
from zhiyin.errors import InputError, NotFittedError
from zhiyin.extras import require
from zhiyin.retrieve.neural.model import SequenceModel
from zhiyin.retrieve.neural.sequences import Batch

__all__ = ["Exported", "SequenceScores", "export_onnx"]

OPSET = 18


@dataclass(frozen=True, eq=False)
class Exported:
    """A module from a batch of histories to scores; ``inputs``: an example of each, in order.

    All inputs are [B, W] but ``lengths`` and ``people`` [B]; the outputs are scores float32 [B, n_items].
    """

    module: nn.Module
    inputs: Mapping[str, Tensor] = field(default_factory=dict)


class SequenceScores(nn.Module):
    """What a sequence model answers, with the items' vectors inside."""

    def __init__(self, model: SequenceModel, table: Tensor, answers: Tensor, known: Tensor) -> None:
        super().__init__()
        self.model = model
        for name, value in (("table", table), ("answers", answers), ("known", known)):
            self.register_buffer(name, value.clone())

    def forward(
        self,
        items: Tensor,
        kinds: Tensor,
        gaps: Tensor,
        asked: Tensor,
        lengths: Tensor,
        people: Tensor | None = None,
    ) -> Tensor:
        """Scores of all items, -inf for those nothing is known of."""
        who = -torch.ones_like(lengths) if people is None else people
        batch = Batch(items, kinds, gaps, asked, lengths, who, *[lengths] * 4)
        hidden = self.model.network(functional.embedding(items, self.table), batch)  # type: ignore[arg-type]
        last = hidden.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, hidden.shape[2]))[:, 0]
        scores = self.model.asks(last) @ self.answers.t()  # type: ignore[operator]
        return scores.masked_fill(~self.known, -torch.inf)  # type: ignore[operator]


def export_onnx(retriever: object, file: Path) -> Path:
    """Write what a neural retriever answers as one ONNX file, whole or not at all.

    Parameters
    ----------
    retriever : NeuralRetriever
        Fitted.
    file : path

    Returns
    -------
    Path
        The file. Its inputs, int64 unless said: ``items`` [B, W], what was taken of items it knows, oldest
        first. Sequence models (``sasrec``, ``two-tower``) take at most the newest ``length`` events, 0 as
        pad on the right, ``lengths`` [B], at least 1, and, all [B, W], ``kinds`` (codes of events' types),
        ``gaps`` (time until the next event, of the newest one until the question: 0 at once, else 1 + floor
        of log2 of the minutes, 1 to 23) and ``asked`` (type of the next event); a two-tower that reads
        attributes of users takes ``people`` [B], what ``retriever.people_.rows(ids)`` gives. The others take
        items once each with -1 as pad, and ``values`` float32 [B, W]: the rating (``recommender-model``);
        2^(-age / half_life), 1 where nothing fades (``ncf``); or that times the strength (``lightgcn``). Its
        output ``scores`` is float32 [B, n_items]; nothing is hidden.

    Raises
    ------
    InputError, NotFittedError, MissingExtraError
    """
    give = getattr(retriever, "exported", None)
    if give is None:
        raise InputError(
            "Only networks can be exported",
            expected="sasrec, two-tower, lightgcn, ncf or recommender-model",
            received=type(retriever).__name__,
        )
    if getattr(retriever, "n_items_", None) is None:
        raise NotFittedError(type(retriever).__name__)
    for library in ("onnx", "onnxscript"):
        require(library)
    told: Exported = give()
    rows, places = torch.export.Dim("rows", min=1), torch.export.Dim("places", min=1)
    shapes = {name: {0: rows} if one.ndim == 1 else {0: rows, 1: places} for name, one in told.inputs.items()}
    with tempfile.TemporaryDirectory() as folder, _silence():
        made = Path(folder) / "model.onnx"
        torch.onnx.export(
            told.module.eval(),
            tuple(told.inputs.values()),
            made,
            input_names=list(told.inputs),
            output_names=["scores"],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        write_bytes(Path(file), made.read_bytes())
    return Path(file)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No warnings and lines of the exporter about its own inner workings."""
    talker = logging.getLogger("torch.onnx")
    level = talker.level
    talker.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        talker.setLevel(level)
