"""A very small random language model, for tests that need one but not what it says."""

from __future__ import annotations

from pathlib import Path

from zhiyin.extras import require
from zhiyin.text import ANSWERS

__all__ = ["tiny_language_model"]

SPECIAL = ("<pad>", "<s>", "</s>")


def tiny_language_model(folder: Path, *, layers: int = 2, width: int = 48, seed: int = 0) -> Path:
    """Save a random Llama with a tokenizer of bytes; yes and no, with or without a space, are one token each.

    Parameters
    ----------
    folder : path
        Made if missing.
    layers, width, seed : int

    Returns
    -------
    Path
        The folder, for ``load_language_model``.
    """
    torch, transformers, tokenizers = (require(name) for name in ("torch", "transformers", "tokenizers"))
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *alphabet])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.add_special_tokens(list(SPECIAL))
    answers = [word for pair in ANSWERS.values() for word in pair]
    tokenizer.add_tokens([word for answer in answers for word in (f" {answer}", answer)])
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6)  # or its distributions would be flat
    model.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=SPECIAL[0], bos_token=SPECIAL[1], eos_token=SPECIAL[2]
    ).save_pretrained(folder)
    return folder
