"""Language models: find, load, generate, score, embed. Texts in, texts and numbers out.

This room knows no users, items or events. Importing it loads no torch.
"""

from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.encoder import load_text_encoder
from zhiyin.lm.find import BUILT_IN_ENCODERS, BUILT_IN_MODELS, Source, cache_folder, find_model
from zhiyin.lm.load import load_language_model

__all__ = [
    "BUILT_IN_ENCODERS",
    "BUILT_IN_MODELS",
    "CausalLanguageModel",
    "Source",
    "cache_folder",
    "find_model",
    "load_language_model",
    "load_text_encoder",
]
