"""A GGUF file becomes, once, a folder that transformers loads in about a second.

transformers reads GGUF itself but needs 15 to 30 s for it each time. The converted folder lies in
the cache under the sha256 of the GGUF, with a manifest of the size and sha256 of every file. It is
written under a temporary name and renamed, so it is whole or absent; a lock lets processes that
start together convert once; a damaged entry is seen by its manifest and converted again.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zhiyin.artifacts import file_digest
from zhiyin.errors import ModelError
from zhiyin.extras import require
from zhiyin.lm.find import cache_folder
from zhiyin.lm.read import quiet_transformers
from zhiyin.logs import get_logger

__all__ = ["CONVERTER", "converted_folder"]

CONVERTER = 1
"""Raised whenever the same GGUF would give another folder."""

MANIFEST = "zhiyin-manifest.json"
_log = get_logger(__name__)


def converted_folder(gguf: Path, *, cache: Path | None = None) -> Path:
    """The folder with the weights of ``gguf`` in float32 safetensors; made if it is missing.

    Parameters
    ----------
    gguf : Path
        A GGUF file of any architecture that transformers can read.
    cache : Path or None
        Where converted models are kept; None: see ``zhiyin.lm.cache_folder``.

    Raises
    ------
    ModelError
        Naming the file, when it is damaged, of an unknown architecture, or when the cache cannot
        be written.
    """
    filelock = require("filelock")
    models = cache_folder(cache) / "models"
    try:
        digest = file_digest(gguf)
        folder = models / f"{gguf.stem}-{digest[:16]}-v{CONVERTER}"
        with ThreadPoolExecutor(1) as pool:
            sound = pool.submit(_is_sound, folder)
            # Its imports take seconds and are needed next in any case; meanwhile the files are hashed.
            require("transformers").AutoModelForCausalLM  # noqa: B018
            if sound.result():
                return folder
        models.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(str(models / f".{folder.name}.lock")):
            if not _is_sound(folder):
                _replace(folder, gguf, digest)
    except OSError as error:
        raise ModelError(
            f"Could not convert {gguf}",
            expected=f"a readable file, and a writable folder {models} with free space",
            received=error.strerror or str(error),
            hint="Free some space, or set ZHIYIN_CACHE to another folder.",
        ) from error
    return folder


def _is_sound(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return all(
            (folder / name).stat().st_size == size and file_digest(folder / name) == digest
            for name, (size, digest) in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _replace(folder: Path, gguf: Path, digest: str) -> None:
    """Convert into a draft, then take the old folder's place; the caller holds the lock."""
    _log.info("converting a GGUF file once", file=str(gguf), into=str(folder))
    drafts = f".{folder.name}.draft"
    # The lock is ours, so drafts that are still here belong to processes that were killed.
    for left in folder.parent.glob(f"{drafts}*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = folder.parent / f"{drafts}-{os.getpid()}"
    draft.mkdir()
    try:
        _convert(gguf, draft)
        files = {path.name: [path.stat().st_size, file_digest(path)] for path in sorted(draft.iterdir())}
        manifest = {"converter": CONVERTER, "source": gguf.name, "sha256": digest, "files": files}
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for path in draft.iterdir():
            path.chmod(0o644)
            _sync(path)
        if folder.exists():
            _log.warning("a converted model was damaged and is replaced", folder=str(folder))
            shutil.rmtree(folder)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _convert(gguf: Path, draft: Path) -> None:
    torch, transformers = require("torch"), require("transformers")
    require("gguf")
    where = {
        "pretrained_model_name_or_path": str(gguf.parent),
        "gguf_file": gguf.name,
        "local_files_only": True,
    }
    try:
        # transformers draws its bar of de-quantised tensors on stderr and has no switch for it.
        with quiet_transformers(), contextlib.redirect_stderr(io.StringIO()):
            tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
            model = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
            # A model read from GGUF counts as quantised, which save_pretrained refuses.
            model.hf_quantizer = None
            model.is_quantized = False
            if hasattr(model.config, "quantization_config"):
                del model.config.quantization_config
            model.save_pretrained(draft)
            tokenizer.save_pretrained(draft)
    except OSError as error:
        if error.errno is not None:  # the disk, not the file
            raise
        raise _damaged(gguf, error) from error
    except Exception as error:  # a damaged file shows as almost any error inside the reader
        raise _damaged(gguf, error) from error


def _damaged(gguf: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{gguf} cannot be read as a language model",
        expected="a whole GGUF file of an architecture that transformers knows",
        received=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}",
        hint="Fetch or install the file again; for a rare architecture use the safetensors folder.",
    )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
