"""Every way to tune: learns, keeps the base model, resumes, and gives what other tools read."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zhiyin.errors import ArtifactError, ConfigError, InputError, ModelError, NotFittedError
from zhiyin.evaluate import prediction
from zhiyin.lm import load_language_model
from zhiyin.lm.tuning import PackedExample, training
from zhiyin.lm.tuning.keeping import check_free
from zhiyin.lm.tuning.merged import fold
from zhiyin.registry import names, resolve

QUICK = {"answers": ("y", "n"), "learning_rate": 3e-3, "row_tokens": 200, "epochs": 2}


@pytest.fixture(params=names("tuner"))
def way(request):
    return request.param


def margins(model, example):
    found = [
        model.answer_logits("".join(example.segments[:seen]), [branch], ("y", "n"))[0]
        for branch, seen in zip(example.branches, example.sees, strict=True)
    ]
    return np.array([yes - no for yes, no in found])


@pytest.fixture(scope="module")
def base(make_base):
    return make_base()


@pytest.mark.parametrize("objective", ["yes-no", "ranking"])
def test_it_learns_what_there_is_to_learn(way, objective, base, tastes):
    rate = 1e-3 if way == "full" else 3e-3
    tuner = resolve("tuner", way)(**{**QUICK, "learning_rate": rate, "epochs": 3}, objective=objective)
    tuner.fit(base, tastes(30, 1), tastes(10, 2))
    first, *later = tuner.course_.looks
    assert max(one.auc for one in later) > first.auc + 0.05
    assert tuner.course_.best > 0


def test_the_base_model_stays_as_it_was(way, base, tastes):
    example = tastes(1, 3)[0]
    before, state = margins(base, example), {k: v.clone() for k, v in base.model.state_dict().items()}
    tuner = resolve("tuner", way)(**QUICK).fit(base, tastes(10, 1))
    assert all(torch.equal(value, state[name]) for name, value in base.model.state_dict().items())
    assert np.array_equal(margins(tuner.language_model(0.0), example), before)
    base.forget_prefixes()
    assert np.array_equal(margins(base, example), before)


def test_the_merged_model_answers_as_the_tuned_one(way, base, tastes):
    tuner = resolve("tuner", way)(**QUICK).fit(base, tastes(20, 1))
    examples = tastes(2, 3)
    for example, scores in zip(examples, tuner.scores(examples), strict=True):
        np.testing.assert_allclose(margins(tuner.language_model(), example), scores, atol=1e-4)


def test_with_the_adapter_off_logits_are_the_base_models_bit_for_bit(base, tastes):
    tuner = resolve("tuner", "lora")(**QUICK).fit(base, tastes(10, 1))
    ids = torch.arange(3, 40)[None]
    with torch.no_grad(), tuner.peft_.disable_adapter():
        off = tuner.peft_(input_ids=ids).logits
    with torch.no_grad():
        on, plain = tuner.peft_(input_ids=ids).logits, base.model(input_ids=ids).logits
    assert torch.equal(off, plain) and not torch.equal(on, plain)


def test_deltas_are_what_the_weights_differ_by(way, base, tastes):
    tuner = resolve("tuner", way)(**QUICK).fit(base, tastes(20, 1))
    start, deltas = dict(base.model.named_parameters()), dict(tuner.deltas())
    whole = dict(tuner.weights())
    assert whole.keys() == deltas.keys()
    for name, delta in deltas.items():
        assert delta.requires_grad
        torch.testing.assert_close(whole[name], start[name] + delta.detach(), atol=1e-5, rtol=1e-4)


def dying_after(steps, monkeypatch):
    """Each run dies at its first step after so many; what it has is kept after each."""
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(training, "SAVE_SHARE", 1e9)
    step, done = training._Run.step, []

    def dying(self, rows):
        if len(done) == steps:
            done.clear()
            raise KeyboardInterrupt
        done.append(1)
        step(self, rows)

    monkeypatch.setattr(training._Run, "step", dying)
    return step


def test_a_run_killed_again_and_again_gives_the_same(base, tastes, monkeypatch):
    """At every second step, with everything that draws at random, guards, and layers that do not learn."""
    settings = {**QUICK, "epochs": 1, "evaluations": 3, "dropout": 0.1, "first_layer": 1, "patience": 9}
    guard = {"kl": 2.0, "l2_sp": 0.1, "most_kl": 9.0, "tokens": 8}

    def fit():
        tuner = resolve("tuner", "lora")(**settings, guard=guard)
        texts = ["the old harbour", "had not seen", "a ship", "in many years"]
        return tuner.fit(base, tastes(40, 1), tastes(5, 2), texts=texts, held_out=["when the train came"])

    unbroken = fit()
    unbroken._checkpoint.remove()  # a slow machine has kept it
    count = len(unbroken.course_.losses)
    assert count >= 5
    dying_after(2, monkeypatch)
    kills, resumed = 0, None
    while resumed is None:
        try:
            resumed = fit()
        except KeyboardInterrupt:
            kills += 1
    assert kills == (count - 1) // 2
    assert resumed.course_.losses == unbroken.course_.losses
    assert resumed.course_.looks == unbroken.course_.looks
    again = dict(resumed.weights())
    assert all(torch.equal(value, again[name]) for name, value in unbroken.weights())


def test_a_killed_run_goes_on_to_the_same_result(way, base, tastes, monkeypatch, tmp_path):
    def fit():
        return resolve("tuner", way)(**QUICK, evaluations=2).fit(base, tastes(30, 1), tastes(5, 2))

    unbroken = fit()
    unbroken._checkpoint.remove()  # a slow machine has kept it
    step = dying_after(4, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        fit()
    taken = []
    monkeypatch.setattr(training._Run, "step", lambda self, rows: taken.append(1) or step(self, rows))
    resumed = fit()
    assert len(taken) == len(unbroken.course_.losses) - 4
    assert resumed.course_.losses == unbroken.course_.losses
    assert resumed.course_.looks == unbroken.course_.looks
    again = dict(resumed.weights())
    assert all(torch.equal(value, again[name]) for name, value in unbroken.weights())
    # What came out is there until it is saved, so that nothing after the last step can lose it.
    taken.clear()
    assert fit().course_.looks == unbroken.course_.looks and not taken
    resumed.save(tmp_path / "made")
    fit()
    assert taken


@pytest.mark.parametrize(("strength", "loss", "auc"), [(20.0, 0.0, 1.0), (-20.0, 20.0, 0.0)])
def test_priors_are_added_to_what_the_model_says(strength, loss, auc, base, tastes):
    def telling(one):
        return replace(one, priors=tuple(strength * (2 * label - 1) for label in one.labels))

    tuner = resolve("tuner", "lora")(**QUICK)
    tuner.fit(base, [telling(one) for one in tastes(10, 1)], [telling(one) for one in tastes(5, 2)])
    assert tuner.course_.losses[0] == pytest.approx(loss, abs=3.0)
    assert tuner.course_.looks[0].auc == auc
    plain = resolve("tuner", "lora")(**QUICK).fit(base, tastes(10, 1), tastes(5, 2))
    assert plain.data_ != tuner.data_


def test_the_seed_decides(base, tastes):
    def losses(seed):
        return resolve("tuner", "lora")(**QUICK, seed=seed).fit(base, tastes(10, 1)).course_.losses

    assert losses(1) == losses(1) != losses(2)


def test_it_stops_early_and_keeps_the_best(base, tastes):
    wrong = [type(one)(**{**vars(one), "labels": tuple(1 - x for x in one.labels)}) for one in tastes(10, 2)]
    tuner = resolve("tuner", "lora")(**{**QUICK, "epochs": 9}, patience=2).fit(base, tastes(20, 1), wrong)
    course = tuner.course_
    assert len(course.looks) <= 4 and course.best == max(course.looks, key=lambda one: one.auc).step


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_folding_changes_no_derivative(family, make_model):
    import peft

    def gradients(folded):
        torch.manual_seed(0)
        model = peft.get_peft_model(
            make_model(family), peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
        )
        if folded:
            assert fold(model) == 21
        model(input_ids=torch.arange(3, 40)[None]).logits.square().mean().backward()
        return {name: one.grad for name, one in model.named_parameters() if one.grad is not None}

    plain, folded = gradients(False), gradients(True)
    assert plain.keys() == folded.keys() and len(plain) == 42
    for name, value in plain.items():
        torch.testing.assert_close(folded[name], value, rtol=2e-3, atol=1e-5 * float(value.abs().max()))


@pytest.mark.parametrize("options", [{"lora_dropout": 0.1}, {"use_dora": True}])
def test_what_is_not_plain_is_not_folded(options, make_model):
    import peft

    config = peft.LoraConfig(r=4, target_modules="all-linear", **options)
    assert fold(peft.get_peft_model(make_model("llama"), config)) == 0


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_peft_loads_what_is_saved(method, base, tastes, tmp_path):
    import peft

    from zhiyin.lm.tuning.twin import twin

    tuner = resolve("tuner", method)(**QUICK, first_layer=1).fit(base, tastes(10, 1))
    tuner.save(tmp_path / "made", about={"more": 1})
    told = json.loads((tmp_path / "made" / "tuning.json").read_text("utf-8"))
    assert told["base"] == "llama@1234" and told["more"] == 1 and told["config"]["rank"] == 16
    assert resolve("tuner", method)().config.learning_rate == 5e-4  # the resolved one is kept
    theirs = peft.PeftModel.from_pretrained(twin(base.model), tmp_path / "made")
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        ours = tuner.peft_(input_ids=ids).logits
        torch.testing.assert_close(theirs(input_ids=ids).logits, ours, atol=1e-4, rtol=1e-4)
    assert not [name for name, _ in tuner.weights() if ".0." in name]


def test_a_folder_with_something_else_is_left(base, tastes, tmp_path):
    tuner = resolve("tuner", "lora")(**QUICK).fit(base, tastes(4, 1))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ArtifactError, match="something else"):
        tuner.save(tmp_path / "mine")
    assert [one.name for one in tmp_path.iterdir() if one.name != "cache"] == ["mine"]


def edited(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}))


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("adapter_config.json", lambda path: edited(path, lora_alpha=320), "adapter_config.json is damaged"),
        ("adapter_config.json", Path.unlink, "no such file"),
        ("adapter_model.safetensors", Path.unlink, "no such file"),
        (
            "adapter_model.safetensors",
            lambda path: path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0"),
            "other content",
        ),
        ("tuning.json", lambda path: edited(path, scale="half"), "scale = 'half'"),
        ("tuning.json", lambda path: edited(path, scale=2.0), "scale = 2.0"),
        ("tuning.json", lambda path: edited(path, config=5), "config = 5"),
        ("tuning.json", lambda path: edited(path, course={}), "cannot be loaded"),
    ],
)
def test_a_damaged_adapter_is_refused(name, damage, told, folder, tastes, tmp_path):
    base = load_language_model(folder)
    resolve("tuner", "lora")(**QUICK).fit(base, tastes(4, 1)).save(tmp_path / "made")
    held = load_language_model(folder, adapter=tmp_path / "made")  # what is in memory does not hide it
    damage(tmp_path / "made" / name)
    with pytest.raises(ArtifactError) as caught:
        load_language_model(folder, adapter=tmp_path / "made")
    assert told in str(caught.value)
    del held


def test_what_is_saved_can_be_read_by_others(base, tastes, tmp_path):
    resolve("tuner", "lora")(**QUICK).fit(base, tastes(4, 1)).save(tmp_path / "made")
    assert {one.stat().st_mode & 0o777 for one in (tmp_path / "made").iterdir()} == {0o644}


def test_a_place_that_cannot_be_written_is_told_before_anything_else(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="writable"):
        check_free(tmp_path / "file" / "below" / "made")
    check_free(tmp_path / "new" / "below")
    assert not (tmp_path / "new").exists()


def test_what_a_killed_save_has_moved_is_put_back(folder, tastes, tmp_path):
    base = load_language_model(folder)
    tuner = resolve("tuner", "lora")(**QUICK).fit(base, tastes(4, 1))
    tuner.save(tmp_path / "made")
    (tmp_path / "made").rename(tmp_path / ".made-x1y2-old")
    (tmp_path / ".made-2-x1y2-old").mkdir()  # of another folder, "made-2", and first in the alphabet
    loaded = load_language_model(folder, adapter=tmp_path / "made")
    assert loaded.name != base.name and (tmp_path / "made" / "tuning.json").is_file()
    config = json.loads((tmp_path / "made" / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == str(folder)


def test_a_folder_that_cannot_be_replaced_stays(base, tastes, tmp_path, monkeypatch):
    tuner = resolve("tuner", "lora")(**QUICK).fit(base, tastes(4, 1))
    tuner.save(tmp_path / "v1.2", about={"turn": 1})
    rename = Path.rename

    def refusing(self, target):
        if Path(target) == tmp_path / "v1.2" and not self.name.endswith("-old"):
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(ArtifactError, match="Could not write"):
        tuner.save(tmp_path / "v1.2", about={"turn": 2})
    assert json.loads((tmp_path / "v1.2" / "tuning.json").read_text("utf-8"))["turn"] == 1
    assert sorted(one.name for one in tmp_path.iterdir() if one.name != "cache") == ["v1.2"]


def test_bad_requests_are_refused(base, tastes):
    lora = resolve("tuner", "lora")
    with pytest.raises(NotFittedError):
        lora().scores(tastes(1, 1))
    with pytest.raises(NotFittedError):
        lora().language_model()
    with pytest.raises(ConfigError, match="no such layer"):
        lora(**QUICK, first_layer=3).fit(base, tastes(2, 1))
    with pytest.raises(ConfigError, match="no such layers"):
        lora(**QUICK, targets=("q_proj", "x_proj")).fit(base, tastes(2, 1))
    with pytest.raises(InputError, match="nothing to tune"):
        lora(**QUICK).fit(base, [])
    with pytest.raises(ConfigError, match="rank"):
        lora(rank=0)
    with pytest.raises(InputError, match="scale"):
        lora(**QUICK).fit(base, tastes(2, 1)).language_model(1.5)


def test_a_saved_adapter_is_loaded_with_its_model(way, folder, tastes, tmp_path):
    base = load_language_model(folder)
    tuner = resolve("tuner", way)(**QUICK).fit(base, tastes(10, 1))
    tuner.save(tmp_path / "made")
    example = tastes(1, 3)[0]
    loaded = load_language_model(folder, adapter=tmp_path / "made")
    np.testing.assert_allclose(margins(loaded, example), tuner.scores([example])[0], atol=1e-4)
    assert load_language_model(folder, adapter=tmp_path / "made") is loaded
    half = load_language_model(folder, adapter=tmp_path / "made", scale=0.5)
    assert len({base.name, loaded.name, half.name}) == 3
    again = type(tuner).load(base, tmp_path / "made")
    np.testing.assert_allclose(again.scores([example])[0], tuner.scores([example])[0], atol=1e-5)


def test_an_adapter_that_does_not_fit_is_refused(folder, base, tastes, tmp_path):
    resolve("tuner", "lora")(**QUICK).fit(base, tastes(4, 1)).save(tmp_path / "made")
    with pytest.raises(ModelError, match="does not belong here"):
        load_language_model(folder, adapter=tmp_path / "made")
    with pytest.raises(InputError, match="float32"):
        load_language_model(folder, adapter=tmp_path / "made", dtype="bfloat16")
    with pytest.raises(ModelError, match="holds no adapter"):
        load_language_model(folder, adapter=tmp_path / "nothing")
    own = load_language_model(folder)
    resolve("tuner", "lora")(**QUICK).fit(own, tastes(4, 1)).save(tmp_path / "own")
    (tmp_path / "own" / "adapter_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ArtifactError, match="damaged or was changed"):
        load_language_model(folder, adapter=tmp_path / "own")


def test_beside_priors_only_what_exceeds_the_base_model_counts(base, tastes, tmp_path):
    """The base model knows nothing here, the priors what there is to know: nothing is lost at the start."""
    rng = np.random.default_rng(0)
    told, known = [], []
    for one in tastes(20, 1):
        priors = rng.choice([-2.0, 2.0], len(one.labels))
        labels = (rng.random(len(priors)) < 1 / (1 + np.exp(-priors))).astype(float)
        told.append(replace(one, priors=tuple(priors.tolist()), labels=tuple(labels.tolist())))
        known += list(zip(labels, priors, strict=True))
    tuner = resolve("tuner", "lora")(**QUICK).fit(base, told, told)
    assert tuner.course_.looks[0].auc == pytest.approx(prediction.auc(*np.array(known).T), abs=1e-9)
    tuned, plain = (np.concatenate([margins(m, one) for one in told]) for m in (tuner.language_model(), base))
    np.testing.assert_allclose(np.concatenate(tuner.scores(told)), tuned - plain, atol=2e-3)
    assert not np.concatenate(tuner.scores(told, scale=0.0)).any()
    tuner.save(tmp_path / "made")
    assert type(tuner).load(base, tmp_path / "made").beyond_
    assert not resolve("tuner", "lora")(**QUICK).fit(base, tastes(20, 1)).beyond_


def test_what_was_learned_is_told_again(base, tastes, tmp_path):
    tuner = resolve("tuner", "lora")(**QUICK).fit(base, tastes(10, 1), tastes(5, 2))
    tuner.save(tmp_path / "made")
    assert type(tuner).load(base, tmp_path / "made").course_ == tuner.course_


def test_a_run_that_stopped_early_stops_again(base, tastes, monkeypatch):
    """No look is better than the first: patience ends the run, and going on later does not prolong it."""
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    looks = iter([0.9] + [0.1] * 99)
    monkeypatch.setattr(training._Run, "_auc", lambda self: next(looks))
    quick = {**QUICK, "epochs": 9, "patience": 2}
    first = resolve("tuner", "lora")(**quick).fit(base, tastes(10, 1), tastes(5, 2))
    again = resolve("tuner", "lora")(**quick).fit(base, tastes(10, 1), tastes(5, 2))
    assert len(first.course_.looks) == 3 and first.course_.best == 0
    assert again.course_ == first.course_


def test_validation_that_tells_nothing_keeps_the_last_weights(base, tastes):
    agreed = [replace(one, labels=(1.0,) * len(one.labels)) for one in tastes(5, 2)]
    tuner = resolve("tuner", "lora")(**QUICK).fit(base, tastes(10, 1), agreed)
    assert tuner.course_.best == len(tuner.course_.losses) > 0


def test_dora_of_weights_that_lie_the_other_way_round(make_base, tastes):
    base = make_base("gpt2")
    tuner = resolve("tuner", "dora")(**QUICK).fit(base, tastes(10, 1))
    asked = tastes(2, 3)
    found = np.concatenate(tuner.scores(asked))
    merged = np.concatenate([margins(tuner.language_model(), one) for one in asked])
    np.testing.assert_allclose(merged, found, atol=2e-3)


def test_a_model_without_exchangeable_attention_is_refused(make_base, tastes):
    with pytest.raises(ModelError, match="cannot be tuned"):
        resolve("tuner", "lora")(**QUICK).fit(make_base("bloom"), tastes(2, 1))


def test_the_answers_of_a_group_are_compared_whatever_the_size_of_rows(base, tastes):
    losses = [
        resolve("tuner", "lora")(**{**QUICK, "row_tokens": tokens}, objective="ranking", batch=1000)
        .fit(base, tastes(4, 1))
        .course_.losses
        for tokens in (16, 5000)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


def test_the_answers_of_two_examples_are_not_compared(base):
    """Also where both are of one user: whether they share a row is chance. Noes alone have no loss."""
    yes, no = (
        PackedExample(("a",), (" b", " c"), (1, 1), labels, "ann") for labels in ((1.0, 1.0), (0.0, 0.0))
    )
    mixed = PackedExample(("a",), (" b", " c", " d", " e"), (1,) * 4, (1.0, 0.0, 0.0, 0.0), "ann")
    tuner = resolve("tuner", "lora")(**QUICK, objective="ranking").fit(base, [yes, no])
    assert tuner.course_.losses == [0.0, 0.0]
    alone, beside = (
        resolve("tuner", "lora")(**QUICK, objective="ranking").fit(base, examples).course_.losses[0]
        for examples in ([mixed], [mixed, yes, no])
    )
    margins = tuner.scores([mixed], scale=0.0)[0]
    assert alone == pytest.approx(beside, rel=1e-3)
    assert alone == pytest.approx(np.log(np.exp(margins).sum()) - margins[0], abs=1e-3)


def test_a_run_of_one_step_learns(base, tastes):
    """Also the last step has a rate."""
    tuner = resolve("tuner", "lora")(**{**QUICK, "epochs": 1}, batch=1000).fit(base, tastes(10, 1))
    assert len(tuner.course_.losses) == 1
    assert any(float(delta.detach().abs().max()) > 0 for _, delta in tuner.deltas())


def test_what_is_left_of_an_epoch_joins_its_last_step(base, tastes):
    def steps(batch):
        quick = {**QUICK, "epochs": 1, "row_tokens": 16}
        return len(resolve("tuner", "lora")(**quick, batch=batch).fit(base, tastes(10, 1)).course_.losses)

    labels = sum(len(one.labels) for one in tastes(10, 1))
    assert steps(labels) == 1 == steps(labels - 4)
    assert steps(labels // 2 + 2) == 2


def test_smoothing_is_for_answers_that_are_not_compared():
    with pytest.raises(ConfigError, match="label_smoothing"):
        resolve("tuner", "lora")(objective="ranking", label_smoothing=0.1)
