"""Guards keep a model near what it was, at a price that can be chosen."""

import numpy as np
import pytest
import torch

from zhiyin.errors import InputError
from zhiyin.lm.generation import TransformersWriter
from zhiyin.lm.retention import guards, texts
from zhiyin.lm.retention.divergence import read
from zhiyin.lm.retention.fisher import fisher_information
from zhiyin.lm.retention.texts import openings, own_texts
from zhiyin.registry import names, resolve

QUICK = {"answers": ("y", "n"), "row_tokens": 200, "epochs": 3}
TEXTS = ["the old harbour had not seen", "a ship in many years", "and nobody knew why it was so"] * 3
OTHERS = ["when the train came", "everybody went home again"]


@pytest.fixture(scope="module")
def base(make_base):
    return make_base()


def told(base, tastes, way="lora", **guard):
    rate = 1e-3 if way == "full" else 3e-3
    tuner = resolve("tuner", way)(**QUICK, learning_rate=rate, guard={**guard, "most_kl": 9.0})
    tuner.fit(base, tastes(30, 1), texts=TEXTS, held_out=OTHERS)
    return tuner.course_.looks[-1].kl


@pytest.mark.parametrize("way", names("tuner"))
def test_a_guard_lessens_what_is_forgotten(way, base, tastes):
    free = told(base, tastes, way)
    assert free > 0
    assert told(base, tastes, way, kl=20.0) < 0.5 * free
    assert told(base, tastes, way, l2_sp=3.0) < 0.8 * free
    assert told(base, tastes, way, ewc=600.0) < 0.9 * free


def test_replay_makes_the_texts_likelier(base, tastes):
    def likelihood(**guard):
        tuner = resolve("tuner", "lora")(**QUICK, learning_rate=3e-3, guard=guard)
        tuner.fit(base, tastes(20, 1), texts=TEXTS, held_out=OTHERS)
        found = tuner.language_model().token_log_probabilities(TEXTS)
        return float(np.concatenate(found).mean())

    assert likelihood(replay=1.0) > likelihood(kl=1e-9)


def test_weights_that_forget_too_much_are_not_kept(base, tastes):
    tuner = resolve("tuner", "lora")(**QUICK, learning_rate=3e-2, guard={"most_kl": 1e-6})
    tuner.fit(base, tastes(30, 1), tastes(5, 2), texts=TEXTS, held_out=OTHERS)
    assert tuner.course_.best == 0
    assert all(float(delta.detach().abs().max()) == 0 for _, delta in tuner.deltas())


def test_the_base_model_has_not_diverged_from_itself(base, tastes):
    tuner = resolve("tuner", "lora")(**QUICK, guard={"most_kl": 1.0})
    tuner.fit(base, tastes(2, 1), texts=TEXTS, held_out=OTHERS)
    assert tuner.course_.looks[0].kl == pytest.approx(0.0, abs=1e-9)


def test_fisher_information_is_the_mean_square_of_gradients_a_token(base):
    from zhiyin.lm.tuning.learner import Learner
    from zhiyin.lm.tuning.twin import twin

    learner = Learner(base.model, base.tokenizer, answers=("y", "n"), row_tokens=64)
    texts = [np.arange(3, 12), np.arange(40, 50)]
    found = fisher_information(base.model, learner, texts, [0, 4])
    name = "model.layers.1.mlp.up_proj.weight"
    squares = []
    for tokens, written in zip(texts, (8, 6), strict=True):
        network = twin(base.model, apart=True)
        ids = torch.from_numpy(tokens)[None]
        labels = torch.where(torch.arange(len(tokens)) < len(tokens) - written, -100, ids)
        (written * network(input_ids=ids, labels=labels).loss).backward()
        squares.append(dict(network.named_parameters())[name].grad.square())
    torch.testing.assert_close(found[name], (squares[0] + squares[1]) / 14, rtol=1e-3, atol=1e-9)
    assert all(one.grad is None for one in base.model.parameters())


def test_a_model_writes_its_own_texts_once(base):
    first = own_texts(base, count=5, tokens=6)
    assert first == own_texts(base, count=5, tokens=6) != own_texts(base, count=5, tokens=6, seed=1)
    questions, beginnings = openings()
    starts = (*(base.chat_prompt([{"role": "user", "content": one}]) for one in questions), *beginnings)
    assert all(one.opening in starts and one.written for one in first)
    # A text gone on with and a question answered take turns.
    assert [one.opening in beginnings for one in first] == [True, False, True, False, True]
    assert len(openings("zh")[0]) >= 10 and len(beginnings) >= 30
    with pytest.raises(InputError, match="language"):
        openings("fr")


def test_writing_goes_on_after_a_kill(base, monkeypatch):
    monkeypatch.setattr(texts, "BATCH", 2)
    count = []

    class Killed(TransformersWriter):
        def write(self, prompts, **options):
            count.append(len(prompts))
            if len(count) == 3:
                raise KeyboardInterrupt
            return super().write(prompts, **options)

    monkeypatch.setattr(texts, "TransformersWriter", Killed)
    with pytest.raises(KeyboardInterrupt):
        own_texts(base, count=5, tokens=4, seed=8)
    assert len(own_texts(base, count=5, tokens=4, seed=8)) == 5
    assert count == [2, 2, 1, 1]


def test_own_texts_are_samples_of_the_very_weights(smollm, monkeypatch, tmp_path):
    """The mean log-likelihood of true samples is minus the mean entropy, within its error."""
    monkeypatch.setenv("ZHIYIN_CACHE", str(tmp_path))
    gaps = []
    for one in own_texts(smollm, count=6, tokens=48, seed=3):
        whole, opening = (smollm.tokenizer(told)["input_ids"] for told in (one.whole, one.opening))
        with torch.no_grad():
            logits = smollm.model(input_ids=torch.tensor([whole])).logits[0, len(opening) - 1 : -1]
        found = logits.float().log_softmax(-1)
        entropy = -(found.exp() * found).sum(-1)
        words = torch.tensor(whole[len(opening) :])
        gaps += (-found[torch.arange(len(words)), words] - entropy).tolist()
    assert abs(np.mean(gaps)) < 4 * np.std(gaps) / np.sqrt(len(gaps))


def test_words_are_struck_out_of_half_of_the_texts():
    """What is struck out is read, not written; a text has one mark, its words are otherwise its own."""
    plain = [texts.OwnText("Say: ", "one two three four " * 20)] * 3
    plain.append(texts.OwnText("说：", "GDP今天天气很好" * 20))
    found = texts.with_blanks(plain)
    assert found[:2] == plain[:2] and found == texts.with_blanks(plain) != texts.with_blanks(plain, seed=1)
    for before, after in zip(plain[2:], found[2:], strict=True):
        assert not after.written and after.opening.startswith(before.opening)
        (mark,) = (one for one in texts.MARKS if one in after.opening)
        parts = after.opening.split(mark)
        assert 2 < len(parts) < 30 and all(one in before.whole for one in parts)
        assert max(map(len, parts)) < len(before.whole) / 2


def test_without_texts_there_is_nothing_to_guard_on(base, tastes):
    tuner = resolve("tuner", "lora")(**QUICK, guard={"kl": 1.0})
    with pytest.raises(InputError, match="no texts"):
        tuner.fit(base, tastes(2, 1), texts=[], held_out=OTHERS)


def test_texts_to_measure_on_begin_otherwise(base):
    """Neither an opening nor a text is in both."""
    guarded, measured = (own_texts(base, count=200, tokens=1, held_out=one) for one in (False, True))
    assert not set(guarded) & set(measured)
    _, told = openings()
    starts = [{one.opening for one in found} & set(told) for found in (guarded, measured)]
    assert starts[0] and starts[1] and not starts[0] & starts[1] and starts[0] | starts[1] == set(told)


def test_what_the_base_model_makes_of_its_texts_is_kept(base, tastes, monkeypatch):
    count = []
    monkeypatch.setattr(guards, "read", lambda *given: count.append(1) or read(*given))
    unread = ["what nobody has read before", "and this neither"]
    found = []
    for strength in (1.0, 1.0, 2.0):
        tuner = resolve("tuner", "lora")(**QUICK, learning_rate=3e-3, guard={"kl": strength})
        tuner.fit(base, tastes(4, 1), texts=unread, held_out=["as little as this"])
        found.append((len(count), tuner.course_.looks[-1].kl))
    assert found[0][0] == 3 == found[2][0] and found[0] == found[1] != found[2]


def test_replay_is_of_what_was_written_alone(base, tastes, monkeypatch):
    """With the opening left out, its tokens foretell nothing that counts."""
    from zhiyin.lm.retention.texts import OwnText

    def first_step(shown):
        monkeypatch.setattr(guards, "own_texts", lambda *_, **__: shown)
        tuner = resolve("tuner", "lora")(**{**QUICK, "epochs": 1}, batch=1000, guard={"replay": 1.0})
        tuner.fit(base, tastes(2, 1), held_out=OTHERS)
        return dict(tuner.weights())["model.layers.1.mlp.up_proj.weight"]

    given, written = "a b c d", " e f"
    whole, part = first_step([OwnText("", given + written)]), first_step([OwnText(given, written)])
    none = first_step([OwnText(given + written, "")])
    assert not torch.equal(whole, part) and not torch.equal(part, none)
    plain = resolve("tuner", "lora")(**{**QUICK, "epochs": 1}, batch=1000).fit(base, tastes(2, 1))
    assert torch.equal(dict(plain.weights())["model.layers.1.mlp.up_proj.weight"], none)


def test_texts_of_one_token_are_none(base, tastes):
    tuner = resolve("tuner", "lora")(**QUICK, guard={"kl": 1.0})
    with pytest.raises(InputError, match="no texts"):
        tuner.fit(base, tastes(2, 1), texts=["a", ""], held_out=OTHERS)
