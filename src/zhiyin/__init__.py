"""zhiyin (知音): recommendation with language models.

The public names, resolved on first use, so that ``import zhiyin`` loads no torch.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zhiyin.data import (
        Catalogue,
        Dataset,
        Split,
        leave_last_basket_out,
        leave_last_out,
        load_bundled,
        split_at,
        split_by_time,
        split_users_by_time,
    )
    from zhiyin.errors import ZhiyinError
    from zhiyin.interest import match
    from zhiyin.lm import load_language_model, load_text_encoder
    from zhiyin.pipeline import Recommendations, Recommender, compare
    from zhiyin.serve.client import AsyncClient, Client

__version__ = metadata.version("zhiyin")

_HOMES = {
    "AsyncClient": "zhiyin.serve.client",
    "Catalogue": "zhiyin.data",
    "Client": "zhiyin.serve.client",
    "Dataset": "zhiyin.data",
    "Recommendations": "zhiyin.pipeline",
    "Recommender": "zhiyin.pipeline",
    "Split": "zhiyin.data",
    "ZhiyinError": "zhiyin.errors",
    "compare": "zhiyin.pipeline",
    "leave_last_basket_out": "zhiyin.data",
    "leave_last_out": "zhiyin.data",
    "load_bundled": "zhiyin.data",
    "load_language_model": "zhiyin.lm",
    "load_text_encoder": "zhiyin.lm",
    "match": "zhiyin.interest",
    "split_at": "zhiyin.data",
    "split_by_time": "zhiyin.data",
    "split_users_by_time": "zhiyin.data",
}

__all__ = [
    "AsyncClient",
    "Catalogue",
    "Client",
    "Dataset",
    "Recommendations",
    "Recommender",
    "Split",
    "ZhiyinError",
    "__version__",
    "compare",
    "leave_last_basket_out",
    "leave_last_out",
    "load_bundled",
    "load_language_model",
    "load_text_encoder",
    "match",
    "split_at",
    "split_by_time",
    "split_users_by_time",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zhiyin' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
