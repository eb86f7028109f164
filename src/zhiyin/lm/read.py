"""A folder or a Hub id becomes a transformers model and its tokenizer; every failure names its file.

Weights are read as float32 safetensors. Pickled weights are refused, code from a model's folder is
not run, and the noise that transformers makes while loading is held back.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zhiyin.errors import ModelError
from zhiyin.extras import require
from zhiyin.safety import forbid_tokens

__all__ = ["check_folder", "prepare_process", "quiet_transformers", "read_model"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc

_preparing = threading.Lock()
_prepared = False


def prepare_process() -> None:
    """Settle, once a process, how torch uses the machine.

    torch gets the cores that this process may use, unless OMP_NUM_THREADS says otherwise. Its idle
    threads spin briefly and then sleep (GOMP_SPINCOUNT, if torch is not loaded yet and nobody chose):
    alone on the machine that makes no difference; beside one busy process on 2 cores a forward pass
    takes 5 s instead of 7, beside several 5 s instead of 9 to 28. On Linux with glibc the allocator
    keeps up to 256 MB of freed memory instead of returning it after each layer: without that, a third
    of the time goes into faulting the same pages in again (470,000 faults for 2,400 tokens of
    SmolLM2-135M).
    """
    global _prepared
    with _preparing:
        if _prepared:
            return
        _prepared = True
        if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
            os.environ.setdefault("GOMP_SPINCOUNT", "2000")
        if "OMP_NUM_THREADS" not in os.environ and hasattr(os, "sched_getaffinity"):
            require("torch").set_num_threads(len(os.sched_getaffinity(0)))
        if sys.platform == "linux" and not any(name.startswith("MALLOC_") for name in os.environ):
            with contextlib.suppress(OSError, AttributeError):
                libc = ctypes.CDLL(None)
                libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
                libc.mallopt(_M_TRIM_THRESHOLD, 256 << 20)


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """No load reports, warnings or bars of transformers inside the block."""
    logging = require("transformers").utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def check_folder(folder: Path) -> None:
    """Look at a model folder before it is loaded.

    Raises
    ------
    ModelError
        Naming the file that is missing or damaged.
    """
    _json(folder / "config.json")
    index = folder / "model.safetensors.index.json"
    names = set(_json(index).get("weight_map", {}).values()) if index.exists() else set()
    paths = sorted(folder / name for name in names) or sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ModelError(
            f"{folder} holds no weights",
            expected="*.safetensors",
            received=", ".join(sorted(path.name for path in folder.iterdir())) or "an empty folder",
            hint="Save the model with safe_serialization=True; pickled weights are not read.",
        )
    for path in paths:
        _check_weights(path)


def read_model(place: str | Path, *, auto: str = "AutoModelForCausalLM", **options: Any) -> tuple[Any, Any]:
    """Load a model in float32 and its tokenizer.

    Parameters
    ----------
    place : str or Path
        A folder (Path) or a Hub id (str), for which transformers' own cache and offline switch hold.
    auto : str
        The transformers auto class to use.
    **options
        Passed on to its ``from_pretrained``.

    Raises
    ------
    ModelError
        When anything is missing, damaged or does not fit together.
    """
    torch, transformers = require("torch"), require("transformers")
    local = isinstance(place, Path)
    if isinstance(place, Path):
        check_folder(place)
    try:
        with quiet_transformers():
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(place), local_files_only=local)
            model, info = getattr(transformers, auto).from_pretrained(
                str(place),
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=local,
                output_loading_info=True,
                **options,
            )
    except Exception as error:  # transformers raises many kinds for one cause: it cannot be read
        raise _unreadable(place, f"{type(error).__name__}: {str(error).splitlines()[0][:300]}") from error
    forbid_tokens(special_tokens(tokenizer))
    missing = sorted(info["missing_keys"])
    if missing:
        raise _unreadable(place, f"no weights for {missing[0]} and {len(missing) - 1} others")
    return model.eval(), tokenizer


def special_tokens(tokenizer: Any) -> list[str]:
    """The tokens that a tokenizer treats as commands, as text."""
    return [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]


def _unreadable(place: str | Path, received: str) -> ModelError:
    local = isinstance(place, Path)
    return ModelError(
        f"{place} cannot be loaded",
        expected="a model with its tokenizer" + ("" if local else " on the Hub or in its local cache"),
        received=received,
        hint="Save or download the folder again."
        if local
        else "Check the id; with HF_HUB_OFFLINE=1 the model must have been downloaded before.",
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} is missing",
            expected="a folder that save_pretrained wrote",
            hint="Point to the folder that holds config.json.",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged", expected="JSON", received=str(error)) from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is damaged", expected="a JSON object", received=type(content).__name__)
    return content


def _check_weights(path: Path) -> None:
    safetensors = require("safetensors")
    hint = "Save or download the folder again."
    if not path.is_file():
        raise ModelError(
            f"{path} is missing", expected="a file named in model.safetensors.index.json", hint=hint
        )
    try:
        with safetensors.safe_open(str(path), framework="numpy"):
            pass
    except Exception as error:
        raise ModelError(
            f"{path} is damaged",
            expected="a whole safetensors file",
            received=f"{path.stat().st_size} bytes: {error}",
            hint=hint,
        ) from error
