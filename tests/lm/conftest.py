"""Small models: random weights of several families, a byte tokenizer, and the real SmolLM2 once."""

from types import SimpleNamespace

import numpy as np
import pytest

from zhiyin.lm import load_language_model
from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.tuning import PackedExample


@pytest.fixture(scope="session")
def smollm():
    return load_language_model("smollm2-135m")


SIZES = {"vocab_size": 300, "max_position_embeddings": 256}
LLAMA = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    **SIZES,
}
FAMILIES = {
    "llama": ("LlamaForCausalLM", LLAMA),
    "qwen2": ("Qwen2ForCausalLM", LLAMA),
    "qwen3": ("Qwen3ForCausalLM", LLAMA),
    "mistral": ("MistralForCausalLM", {**LLAMA, "sliding_window": 12}),
    "gemma2": ("Gemma2ForCausalLM", {**LLAMA, "sliding_window": 12, "query_pre_attn_scalar": 8}),
    "gemma3": (
        "Gemma3ForCausalLM",
        {**LLAMA, "sliding_window": 12, "query_pre_attn_scalar": 8, "num_hidden_layers": 7},
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        {"n_embd": 48, "n_layer": 3, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2, **SIZES},
    ),
    "bloom": ("BloomForCausalLM", {"hidden_size": 48, "n_layer": 2, "n_head": 4, "vocab_size": 300}),
}


def build(family, seed=0):
    """A model of the family with random weights, scaled up so that its distributions are not flat."""
    import torch
    import transformers

    name, sizes = FAMILIES[family]
    kind = getattr(transformers, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(kind.config_class(**sizes)).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 2:
                    parameter.mul_(6)
    return model


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory):
    """A tokenizer of single bytes with three special tokens: 259 words."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: index for index, word in enumerate(["<pad>", "<s>", "</s>", *alphabet])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.add_special_tokens(["<pad>", "<s>", "</s>"])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture
def folder(tmp_path, tokenizer_file):
    """A whole model folder: a small random Llama with the byte tokenizer."""
    import transformers

    place = tmp_path / "tiny-llama"
    build("llama").save_pretrained(place)
    transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_file), pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(place)
    return place


@pytest.fixture(scope="session")
def gguf(tmp_path_factory, tokenizer_file):
    """A small random Llama as a GGUF file."""
    import json

    from gguf import GGUFWriter, TokenType

    model = build("llama")
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = GGUFWriter(str(path), "llama")
    config = model.config
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    vocabulary = json.loads(tokenizer_file.read_text("utf-8"))["model"]["vocab"]
    words = sorted(vocabulary, key=vocabulary.get)
    words += ["ab"]  # a merge needs its word
    words += [f"<unused{index}>" for index in range(config.vocab_size - len(words))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(words)
    writer.add_token_types(
        [TokenType.CONTROL if word.startswith("<") and len(word) > 1 else TokenType.NORMAL for word in words]
    )
    writer.add_token_merges(["a b"])
    writer.add_pad_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, tensor in gguf_tensors(model):
        writer.add_tensor(name, np.ascontiguousarray(tensor, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def gguf_tensors(model):
    """Names and values as llama.cpp stores them (queries and keys with interleaved halves)."""
    config, weights = (
        model.config,
        {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()},
    )

    def interleaved(weight, heads):
        halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
        return halves.swapaxes(1, 2).reshape(weight.shape)

    yield "token_embd.weight", weights["model.embed_tokens.weight"]
    yield "output_norm.weight", weights["model.norm.weight"]
    yield "output.weight", weights["lm_head.weight"]
    for layer in range(config.num_hidden_layers):
        old, new = f"model.layers.{layer}", f"blk.{layer}"
        query, key = weights[f"{old}.self_attn.q_proj.weight"], weights[f"{old}.self_attn.k_proj.weight"]
        yield f"{new}.attn_q.weight", interleaved(query, config.num_attention_heads)
        yield f"{new}.attn_k.weight", interleaved(key, config.num_key_value_heads)
        yield f"{new}.attn_v.weight", weights[f"{old}.self_attn.v_proj.weight"]
        yield f"{new}.attn_output.weight", weights[f"{old}.self_attn.o_proj.weight"]
        yield f"{new}.attn_norm.weight", weights[f"{old}.input_layernorm.weight"]
        yield f"{new}.ffn_norm.weight", weights[f"{old}.post_attention_layernorm.weight"]
        for part in ("gate", "up", "down"):
            yield f"{new}.ffn_{part}.weight", weights[f"{old}.mlp.{part}_proj.weight"]


def separate_log_likelihood(model, prefix, continuations):
    """The reference: one ordinary pass a continuation, log-softmax in float64."""
    import torch

    sums = []
    for one in continuations:
        ids = torch.from_numpy(np.concatenate([prefix, one]))[None]
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits[0, len(prefix) - 1 : -1].double()
        sums.append(float(torch.log_softmax(logits, -1)[np.arange(len(one)), one].sum()))
    return np.array(sums)


def separate_logits(model, prefix, suffixes, answers):
    """The reference: the last logits of one ordinary pass a suffix."""
    import torch

    rows = []
    for one in suffixes:
        ids = torch.from_numpy(np.concatenate([prefix, one]))[None]
        with torch.no_grad():
            rows.append(model(input_ids=ids, use_cache=False).logits[0, -1, list(answers)].double().numpy())
    return np.array(rows)


@pytest.fixture(scope="session")
def make_model():
    return build


@pytest.fixture(scope="session")
def reference():
    """Ordinary passes, one a text, to compare with."""
    return SimpleNamespace(log_likelihood=separate_log_likelihood, logits=separate_logits)


@pytest.fixture(params=sorted(set(FAMILIES) - {"bloom"}))
def family(request):
    return request.param


def taste(n, seed):
    """People who like an a, whatever they liked before."""
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
