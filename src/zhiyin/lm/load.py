"""``load_language_model``: find, convert if needed, read, and share one copy in a process."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import get_args

from zhiyin.artifacts import file_digest, read_json
from zhiyin.caches import content_key
from zhiyin.errors import InputError, ModelError
from zhiyin.lm.causal import CausalLanguageModel, Precision
from zhiyin.lm.convert import converted_folder
from zhiyin.lm.find import Source, find_model
from zhiyin.lm.read import prepare_process, read_model
from zhiyin.lm.tuning.keeping import ABOUT, recover
from zhiyin.registry import names, resolve

__all__ = ["load_language_model"]

_loading = threading.Lock()
_loaded: weakref.WeakValueDictionary[tuple[str, str], CausalLanguageModel] = weakref.WeakValueDictionary()


def load_language_model(
    name: str | Path,
    *,
    dtype: Precision = "float32",
    cache: Path | None = None,
    adapter: Path | str | None = None,
    scale: float | None = None,
) -> CausalLanguageModel:
    """Load a causal language model; callers in one process share a copy while one of them holds it.

    Parameters
    ----------
    name : str or Path
        "smollm2-135m" (its weights come with the extra ``lm``), a folder in the transformers
        layout, a GGUF file, or a Hub id (transformers' own cache and HF_HUB_OFFLINE hold).
    dtype : {"float32", "bfloat16"}
        Precision of the products in the linear layers. bfloat16 halves their memory and is faster
        on processors that have it.
    cache : Path or None
        Where a GGUF file is converted to, once; None: ZHIYIN_CACHE, else ``~/.cache/zhiyin``.
    adapter : Path or str or None
        A folder that ``zhiyin tune`` wrote for this model; its weights are merged.
    scale : float
        How much of the adapter, in [0, 1]; 0 is the model itself. None: as the folder says.

    Raises
    ------
    ModelError
        Naming what was not found or is damaged.
    MissingExtraError
        When torch or transformers are not installed.

    Examples
    --------
    >>> load_language_model("smollm2-135m").count_tokens("A red candle holder")
    4
    """
    if dtype not in get_args(Precision):
        raise InputError("dtype is unknown", expected=str(get_args(Precision)), received=str(dtype))
    if adapter is not None:
        if dtype != "float32":
            raise InputError("An adapter is merged in float32", expected="float32", received=dtype)
        base = load_language_model(name, dtype=dtype, cache=cache)
        return _adapted(base, Path(adapter), scale)
    source = find_model(name)
    prepare_process()
    with _loading:
        folder, label = _prepare(source, cache)
        key = (label, dtype)
        model = _loaded.get(key)
        if model is None:
            network, tokenizer = read_model(source.name if folder is None else folder)
            gguf = source.path if source.kind == "gguf" else None
            model = CausalLanguageModel(network, tokenizer, name=label, dtype=dtype, gguf=gguf)
            _loaded[key] = model
    return model


def _adapted(base: CausalLanguageModel, folder: Path, scale: float | None) -> CausalLanguageModel:
    recover(folder)
    about = folder / ABOUT
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")])
    digests = [f"{path.name} {file_digest(path)}" for path in files]
    key = (content_key(base.name, scale, *digests), "adapter")
    with _loading:
        model = _loaded.get(key)
        if model is None:
            told = read_json(about) if about.is_file() else {}
            method = str(told.get("method", "none"))
            if method not in names("tuner"):
                raise ModelError(
                    f"{folder} holds no adapter",
                    expected=f"a folder with {about.name} of one of {', '.join(names('tuner'))}",
                    received=method if folder.is_dir() else "no such folder",
                    hint="Point to what zhiyin tune wrote.",
                )
            tuner = resolve("tuner", method).load(base, folder)
            model = tuner.language_model(told.get("scale", 1.0) if scale is None else scale)
            _loaded[key] = model
    return model


def _prepare(source: Source, cache: Path | None) -> tuple[Path | None, str]:
    """The folder to read (None: the Hub), and a name that tells these weights from others."""
    if source.path is None:
        return None, source.name
    if source.kind == "gguf":
        folder = converted_folder(source.path, cache=cache)
        return folder, f"{source.name}@{folder.name.removeprefix(source.path.stem)[1:9]}"
    try:
        digests = [file_digest(path) for path in sorted(source.path.glob("*.safetensors"))]
    except OSError as error:
        raise ModelError(f"{source.path} cannot be read", received=str(error)) from error
    return source.path, f"{source.name}@{content_key(*digests)[:8]}"
