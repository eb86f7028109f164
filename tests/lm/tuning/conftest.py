"""Small random models with the byte tokenizer, and a taste that can be learned: who sees an a likes an a."""

import numpy as np
import pytest

from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.tuning import PackedExample


def taste(n, seed):
    rng = np.random.default_rng(seed)
    made = []
    for user in range(n):
        segments = ("like:", *(f" {'ab'[rng.integers(2)]}" for _ in range(6)))
        asked = ["ab"[rng.integers(2)] for _ in range(8)]
        made.append(
            PackedExample(
                segments,
                tuple(f" {one}?" for one in asked),
                tuple(int(one) for one in rng.integers(2, 8, 8)),
                tuple(float(one == "a") for one in asked),
                str(user),
            )
        )
    return made


@pytest.fixture(scope="session")
def tastes():
    return taste


@pytest.fixture(scope="session")
def make_base(make_model, tokenizer_file):
    import transformers

    def make(family="llama"):
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(tokenizer_file), pad_token="<pad>", bos_token="<s>", eos_token="</s>"
        )
        return CausalLanguageModel(make_model(family), tokenizer, name=f"{family}@1234")

    return make


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIYIN_CACHE", str(tmp_path / "cache"))
