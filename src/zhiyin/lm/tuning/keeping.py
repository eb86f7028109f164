"""A tuned model's folder: written whole or not at all, and told from which model it comes."""

from __future__ import annotations

import glob
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zhiyin.artifacts import read_json, write_text
from zhiyin.errors import ArtifactError
from zhiyin.logs import get_logger

__all__ = ["ABOUT", "check_free", "keep", "recover", "told"]

log = get_logger("tuning")

ABOUT = "tuning.json"


def keep(folder: Path, write: Callable[[Path], None], about: Mapping[str, Any]) -> None:
    """Fill a new folder, then put it in the place of what was there.

    Raises
    ------
    ArtifactError
        When the disk refuses, or there is something else; what was there is unchanged.
    """
    check_free(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            write(draft)
            write_text(draft / ABOUT, json.dumps(dict(about), indent=1, ensure_ascii=False))
            draft.chmod(0o755)
            _replace(folder, draft)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise ArtifactError(
            f"Could not write {folder}",
            expected="a writable folder with free space",
            received=error.strerror or str(error),
        ) from error


def check_free(folder: Path) -> None:
    """See whether a tuned model may be put there.

    Raises
    ------
    ArtifactError
        When there is something else.
    """
    recover(folder)
    if folder.exists() and not (folder / ABOUT).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise ArtifactError(
            f"{folder} holds something else",
            expected="no such folder, an empty one, or one with a tuned model",
            received="a file" if folder.is_file() else "a folder without tuning.json",
            hint="Choose another folder.",
        )


def recover(folder: Path) -> None:
    """Put back what was there, where a run was killed while it put something else in its place."""
    for old in [] if folder.exists() else sorted(folder.parent.glob(f".{glob.escape(folder.name)}-*-old")):
        old.rename(folder)
        log.warning("what was there before a run was killed is put back", folder=str(folder))
        return


def _replace(folder: Path, draft: Path) -> None:
    """Put the draft in the folder's place; what was there goes only when that has worked."""
    old = draft.with_name(f"{draft.name}-old")
    if folder.exists():
        folder.rename(old)
    try:
        draft.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def told(folder: Path) -> dict[str, Any]:
    """What tuning.json says.

    Raises
    ------
    ArtifactError
        When there is none.
    """
    recover(folder)
    content = read_json(folder / ABOUT)
    if not isinstance(content, dict) or not {"method", "base"} <= content.keys():
        raise ArtifactError(
            f"{folder / ABOUT} is damaged", expected="method and base", received=str(content)[:80]
        )
    return content
