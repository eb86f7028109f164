"""The loop: it stops in time, keeps the best, and goes on where it was stopped."""

import os
import time

import numpy as np
import pytest
import torch
from torch import nn

from zhiyin.errors import ConfigError, InputError
from zhiyin.retrieve.neural import training as module
from zhiyin.retrieve.neural.training import Lesson, TrainingConfig, train
from zhiyin.tracking import Tracker


class Model(nn.Module):
    """A table of which few rows change, a matrix, and noise while training."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(6, 3, sparse=True)
        self.line = nn.Linear(3, 1)

    def forward(self, rows):
        return self.line(nn.functional.dropout(self.table(rows), 0.3, self.training)).squeeze(1)


def lesson(seed=0):
    torch.manual_seed(seed)
    model = Model()
    wanted = torch.arange(6.0)

    def batches(draw):
        for _ in range(4):
            yield torch.from_numpy(draw.integers(6, size=3))

    return Lesson(model, batches, lambda rows: nn.functional.mse_loss(model(rows), wanted[rows]), len)


def weights(made):
    return {name: value.clone() for name, value in made.module.state_dict().items()}


def config(**params):
    return TrainingConfig(**{"epochs": 8, "learning_rate": 0.05, **params})


def test_it_learns_and_tells():
    made = lesson()
    course = train(made, config(epochs=60), judge=None, name="test")
    assert course.epochs == 60 == len(course.losses) == len(course.seconds)
    assert course.losses[-1] < 0.5 * course.losses[0] and not course.qualities
    assert not made.module.training


def test_the_best_epoch_is_kept_and_it_stops_in_time():
    made, told, kept = lesson(), iter([0.1, 0.3, 0.2, 0.2, 0.25, 0.9]), []

    def judge():
        kept.append(weights(made))
        return next(told)

    course = train(made, config(patience=3), judge=judge, name="test")
    assert course.epochs == 2 and course.qualities == [0.1, 0.3, 0.2, 0.2, 0.25]
    for name, value in weights(made).items():
        assert torch.equal(value, kept[1][name])


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.0)
    qualities = [0.5, 0.1, 0.2, 0.3, 0.1, 0.6, 0.2, 0.1]

    def judge_from(at):
        told = iter(qualities[at:])
        return lambda: next(told)

    whole = lesson()
    wanted = train(whole, config(), judge=judge_from(0), name="test")
    file = tmp_path / "run.safetensors"
    first, calls = judge_from(0), []

    def stopped():
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return first()

    with pytest.raises(KeyboardInterrupt):
        train(lesson(), config(), judge=stopped, name="test", file=file)
    assert file.is_file()
    again = lesson(seed=99)  # other weights: they come from the file
    found = train(again, config(), judge=judge_from(3), name="test", file=file)
    assert found.qualities == qualities and found.epochs == wanted.epochs == 6
    assert found.losses == wanted.losses
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(again)[name])
    assert not file.exists()


def test_a_damaged_checkpoint_is_left_alone(tmp_path):
    file = tmp_path / "run.safetensors"
    file.write_bytes(b"\x00" * 40)
    course = train(lesson(), config(epochs=2), judge=None, name="test", file=file)
    assert len(course.losses) == 2


def test_the_callers_random_numbers_stay_as_they_are():
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    made = lesson(seed=3)
    torch.manual_seed(3)
    train(made, config(), judge=None, name="test")
    assert torch.equal(torch.rand(4), wanted)


def test_the_rate_falls_to_a_fiftieth():
    rates = [module._rate(config(), epoch) for epoch in range(10)]
    assert rates[0] == 0.05 and rates[7] == pytest.approx(0.001) == rates[9]
    assert all(np.diff(rates) <= 1e-12)


def test_a_loss_that_is_no_number_stops_with_advice():
    made = lesson()
    bad = Lesson(made.module, made.batches, lambda rows: made.loss(rows) * torch.nan, len)
    with pytest.raises(InputError, match="left the numbers"):
        train(bad, config(), judge=None, name="test")


def test_numbers_go_to_a_tracker(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    course = train(lesson(), config(track=f"tensorboard:{tmp_path}"), judge=lambda: 0.25, name="test")
    read = EventAccumulator(str(tmp_path / "test")).Reload()
    told = [one.value for one in read.Scalars("loss")]
    assert told == pytest.approx(course.losses)
    assert [one.value for one in read.Scalars("quality")] == [0.25] * len(course.losses)
    with pytest.raises(ConfigError, match="tracker"):
        train(lesson(), config(track="paper"), judge=None, name="test")


def test_what_a_killed_run_told_of_later_steps_goes(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for begun, last in ((0, 5), (3, 6)):
        with Tracker.of(f"tensorboard:{tmp_path}", "test", {}, begun=begun) as tracker:
            for step in range(begun, last):
                tracker.log({"loss": 10.0 * begun + step}, step + 1)
        time.sleep(1.1)  # files are read in the order of their names, which tell seconds
    told = EventAccumulator(str(tmp_path / "test")).Reload().Scalars("loss")
    assert [(one.step, one.value) for one in told] == [(1, 0), (2, 1), (3, 2), (4, 33), (5, 34), (6, 35)]


def test_numbers_go_to_mlflow(tmp_path):
    import mlflow

    course = train(lesson(), config(track=f"mlflow:{tmp_path}"), judge=lambda: 0.25, name="test")
    (run,) = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])
    assert run.info.run_name == "test" and run.data.params["seed"] == str(config().seed)
    assert run.data.metrics["loss"] == pytest.approx(course.losses[-1])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot write"):
        train(lesson(), config(track=f"mlflow:{tmp_path / 'file'}"), judge=None, name="test")


def test_nothing_to_train_on_is_told():
    made = lesson()
    none = Lesson(made.module, lambda draw: iter(()), made.loss, len)
    with pytest.raises(InputError, match="nothing to train on"):
        train(none, config(), judge=None, name="test")


def test_runs_that_nobody_went_on_with_go(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.0)
    old = tmp_path / "old.safetensors"
    old.write_bytes(b"x")
    os.utime(old, (1.0, 1.0))
    train(lesson(), config(epochs=2), judge=None, name="test", file=tmp_path / "run.safetensors")
    assert not list(tmp_path.iterdir())
