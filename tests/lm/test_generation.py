"""Both writers: batches, seeds, ends of turns."""

import pytest

from zhiyin.errors import InputError
from zhiyin.lm import load_language_model
from zhiyin.lm.generation import TransformersWriter, open_writer


@pytest.fixture(scope="module")
def prompts(smollm):
    questions = ["What is the capital of France?", "Say hello to Anna.", "Name two colours."]
    return [smollm.chat_prompt([{"role": "user", "content": one}]) for one in questions]


def test_greedy_writing_stops_at_the_end_of_the_turn(smollm, prompts):
    assert smollm.writer == "openvino-genai"
    texts = smollm.generate(prompts, max_tokens=24)
    assert "Paris" in texts[0] and "Anna" in texts[1]
    assert all("<|im_end|>" not in text and "assistant" not in text for text in texts)
    assert smollm.generate(prompts, max_tokens=24) == texts
    assert [smollm.generate([one], max_tokens=24)[0] for one in prompts] == texts
    short = smollm.chat_prompt([{"role": "user", "content": "Answer with one word: what colour is the sky?"}])
    assert smollm.count_tokens(smollm.generate([short], max_tokens=60)[0]) < 60


def test_both_writers_agree_on_the_likely(smollm, prompts):
    writer = open_writer(smollm.model, smollm.tokenizer, gguf=None)
    assert isinstance(writer, TransformersWriter)
    text = writer.write(prompts[:1], max_tokens=8, temperature=0.0, seed=0)[0]
    assert "Paris" in text


def test_samples_follow_the_seed(smollm, prompts):
    first, again, other = (
        smollm.generate(prompts, max_tokens=12, temperature=1.0, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again and first != other


def test_transformers_writes_folders(folder):
    import torch

    model = load_language_model(folder)
    assert model.writer == "transformers"
    prompts = ["abc", "a much longer prompt", "x"]
    texts = model.generate(prompts, max_tokens=6)
    assert len(texts) == 3
    assert [model.generate([one], max_tokens=6)[0] for one in prompts] == texts
    state = torch.random.get_rng_state()
    first, again, other = (
        model.generate(prompts, max_tokens=6, temperature=1.5, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again and first != other
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_file_that_openvino_cannot_read_falls_back(gguf, tmp_path):
    model = load_language_model(gguf, cache=tmp_path)
    assert len(model.generate(["abc"], max_tokens=3)) == 1


def test_bad_requests(folder):
    model = load_language_model(folder)
    assert model.generate([], max_tokens=5) == []
    for change in ({"max_tokens": 0}, {"temperature": -1.0}, {"temperature": float("nan")}, {"seed": -1}):
        with pytest.raises(InputError, match="out of range"):
            model.generate(["a"], **{"max_tokens": 5, **change})
    with pytest.raises(InputError, match="Prompt 1 is empty"):
        model.generate(["a", ""], max_tokens=5)
