"""Import of optional libraries, and the name of the extra that brings each; knows no room."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from zhiyin.errors import MissingExtraError

__all__ = ["EXTRAS", "available", "require"]

EXTRAS: dict[str, str] = {
    "torch": "lm",
    "transformers": "lm",
    "sentence_transformers": "lm",
    "gguf": "lm",
    "openvino_genai": "lm",
    "safetensors": "lm",
    "accelerate": "lm",
    "peft": "lm",
    "onnx": "compress",
    "onnxruntime": "compress",
    "onnxscript": "compress",
    "tensorboard": "track",
    "mlflow": "mlflow",
    "jinja2": "report",
    "plotly": "report",
    "alembic": "serve",
    "fastapi": "serve",
    "granian": "serve",
    "httpx2": "serve",
    "prometheus_client": "serve",
    "psycopg": "postgres",
    "sacrebleu": "lm",
    "rouge_score": "lm",
}


def available(module: str) -> bool:
    """Whether ``module`` could be imported, without importing it.

    Examples
    --------
    >>> available("json"), available("no_such_module")
    (True, False)
    """
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def require(module: str) -> ModuleType:
    """Import an optional library.

    Raises
    ------
    MissingExtraError
        When it is not installed; the hint names the extra to install.

    Examples
    --------
    >>> require("json").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        extra = EXTRAS.get(module.split(".")[0])
        hint = f"Run: pip install 'zhiyin[{extra}]'" if extra else f"Run: pip install {module}"
        raise MissingExtraError(f"The library {module!r} is not installed", hint=hint) from error
