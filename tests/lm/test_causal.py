"""The language model behind its protocol, on the real SmolLM2 and on small ones."""

import threading

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.lm import load_language_model
from zhiyin.types import LanguageModel

WORDS = (
    "red vintage jumbo white hanging heart light holder paisley pattern regency cake stand bag lunch box "
    "retro spot tea towels set of three wicker baskets glass star frosted t-light alarm clock bakelike green"
).split()


def titles(rng, n, *, low=2, high=16):
    return [" " + " ".join(rng.choice(WORDS, size)).upper() for size in rng.integers(low, high, n)]


@pytest.fixture(scope="module")
def scene():
    """A prefix of about 50 tokens and 100 continuations of 2 to 40."""
    rng = np.random.default_rng(0)
    history = "The customer of a gift shop bought:" + ",".join(titles(rng, 3, low=4, high=5))
    return history, titles(rng, 100, low=1, high=12)


def ids(model, text):
    return np.array(model.tokenizer(text, add_special_tokens=False)["input_ids"], np.int64)


def test_it_is_a_language_model(smollm):
    assert isinstance(smollm, LanguageModel)
    assert smollm.name.startswith("smollm2-135m@")
    assert smollm.count_tokens("") == 0 and smollm.count_tokens("red candle") == 2


def test_hundred_unequal_continuations_equal_separate_passes(smollm, scene, reference):
    prefix, continuations = scene
    assert smollm._scorer.packs
    assert len({smollm.count_tokens(one) for one in continuations}) > 10
    cold = smollm.log_likelihood(prefix, continuations)
    computed = smollm._scorer.prefixes.computed
    warm = smollm.log_likelihood(prefix, continuations)
    assert smollm._scorer.prefixes.computed == computed
    chosen = range(0, 100, 4)
    expected = reference.log_likelihood(
        smollm.model, ids(smollm, prefix), [ids(smollm, continuations[place]) for place in chosen]
    )
    np.testing.assert_allclose(cold[chosen], expected, atol=1e-3, rtol=0)
    np.testing.assert_allclose(warm, cold, atol=1e-3, rtol=0)


def test_extended_prefix_equals_separate_passes(smollm, scene, reference):
    prefix, continuations = scene
    smollm.log_likelihood(prefix, continuations[:2])
    before = smollm._scorer.prefixes.computed
    longer = prefix + ", BLUE TEAPOT, TWO CUPS"
    found = smollm.log_likelihood(longer, continuations[:9])
    assert smollm._scorer.prefixes.computed - before < 30
    expected = reference.log_likelihood(
        smollm.model, ids(smollm, longer), [ids(smollm, one) for one in continuations[:9]]
    )
    np.testing.assert_allclose(found, expected, atol=1e-3, rtol=0)


def test_answer_logits_equal_separate_passes(smollm, scene, reference):
    prefix, continuations = scene
    suffixes = [f"\nWould they like{one}?\nAnswer:" for one in continuations]
    found = smollm.answer_logits(prefix, suffixes, (" yes", " no"))
    assert found.shape == (100, 2)
    answers = tuple(int(ids(smollm, one)[0]) for one in (" yes", " no"))
    chosen = range(0, 100, 10)
    separate = reference.logits(
        smollm.model, ids(smollm, prefix), [ids(smollm, suffixes[index]) for index in chosen], answers
    )
    np.testing.assert_allclose(found[chosen], separate, atol=1e-3, rtol=0)
    alone = smollm.answer_logits(prefix, suffixes[:1], (" yes", " no"))
    np.testing.assert_allclose(alone, found[:1], atol=1e-3, rtol=0)


def test_scores_mean_something(smollm):
    prefix = "The capital of France is"
    paris, cheese, empty = smollm.log_likelihood(prefix, [" Paris", " cheese", ""])
    assert paris > cheese + 2 and empty == 0
    tokens = smollm.token_log_probabilities([prefix + " Paris", "", "x"])
    assert [len(one) for one in tokens] == [5, 0, 0]
    np.testing.assert_allclose(tokens[0][-1], paris, atol=1e-3)


def test_bfloat16_keeps_the_order(smollm, scene):
    prefix, continuations = scene
    half = load_language_model("smollm2-135m", dtype="bfloat16")
    suffixes = [f"\nWould they like{one}?\nAnswer:" for one in continuations[::3]]
    assert half._scorer.packs and half.name.endswith("+bfloat16")
    exact, rounded = (
        np.diff(model.answer_logits(prefix, suffixes, (" yes", " no"))[:, ::-1], axis=1)[:, 0]
        for model in (smollm, half)
    )
    ranks = [np.argsort(np.argsort(one)) for one in (exact, rounded)]
    assert np.corrcoef(ranks)[0, 1] > 0.98
    assert np.abs(exact - rounded).max() < 0.25


def test_bad_input(smollm):
    with pytest.raises(InputError, match="prefix has no tokens"):
        smollm.log_likelihood("", ["a"])
    with pytest.raises(InputError, match="not one token"):
        smollm.answer_logits("a", ["b"], ("yes", "absolutely not"))
    with pytest.raises(InputError, match="not one token"):
        smollm.answer_logits("a", ["b"], ("", "no"))
    with pytest.raises(InputError, match="two texts"):
        smollm.answer_logits("a", ["b"], ("yes",))
    with pytest.raises(InputError, match="at most 8192 tokens"):
        smollm.log_likelihood("word " * 9000, ["a"])


def test_chat_prompt(smollm, folder):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    prompt = smollm.chat_prompt(messages)
    assert prompt.endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")
    assert prompt.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert load_language_model(folder).chat_prompt(messages) == "system: Be brief.\nuser: Hello\nassistant:"
    with pytest.raises(InputError, match="unknown role"):
        smollm.chat_prompt([{"role": "robot", "content": ""}])
    with pytest.raises(InputError, match="no messages"):
        smollm.chat_prompt([])


def test_threads_share_one_model(folder):
    model = load_language_model(folder)
    prefixes = ["abcdefgh", "something else", "abcdefgh and on", "zzz"]
    alone = {prefix: model.log_likelihood(prefix, ["x", "yy", "zzz"]) for prefix in prefixes}
    found, errors = {}, []

    def work(prefix):
        try:
            for _ in range(5):
                found[prefix] = model.log_likelihood(prefix, ["x", "yy", "zzz"])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(prefix,)) for prefix in prefixes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for prefix in prefixes:
        np.testing.assert_allclose(found[prefix], alone[prefix], atol=1e-4)


def test_gradients_still_flow(folder):
    import torch

    model = load_language_model(folder)
    tokens = torch.arange(3, 20)[None]
    model.model(input_ids=tokens, labels=tokens).loss.backward()
    weight = model.model.model.layers[0].mlp.up_proj.weight
    assert isinstance(model.model.lm_head, torch.nn.Linear) and float(weight.grad.abs().sum()) > 0
