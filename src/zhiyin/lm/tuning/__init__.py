"""Tuning of language models: packed examples in, adapters out. Texts and labels; no users, no items.

Importing the package loads no torch; the ways to tune are registered as "tuner".
"""

from zhiyin.lm.tuning.config import GuardConfig, TuningConfig
from zhiyin.lm.tuning.examples import PackedExample

__all__ = ["GuardConfig", "PackedExample", "TuningConfig"]
