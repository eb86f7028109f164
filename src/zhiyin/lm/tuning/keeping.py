"""A tuned model's folder: written whole or not at all, and told from which model it comes."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zhiyin.artifacts import file_digest, read_json, write_text
from zhiyin.errors import ArtifactError
from zhiyin.logs import get_logger

__all__ = ["ABOUT", "check_free", "check_whole", "keep", "recover", "told"]

log = get_logger("tuning")

ABOUT = "tuning.json"
KINDS: Mapping[str, Any] = {
    "method": str,
    "base": str,
    "config": dict,
    "data": str,
    "beyond": bool,
    "course": dict,
    "files": dict,
    "scale": int | float,
}


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
            files = {path.name: file_digest(path) for path in sorted(draft.iterdir())}
            write_text(draft / ABOUT, json.dumps({**about, "files": files}, indent=1, ensure_ascii=False))
            for path in draft.iterdir():
                path.chmod(0o644)
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
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise ArtifactError(
            f"{folder} cannot be written",
            expected="a writable folder",
            received=f"{place}, {'which may not be written' if place.is_dir() else 'a file'}",
            hint="Choose another folder.",
        )


def recover(folder: Path) -> None:
    """Put back what was there, where a run was killed while it put something else in its place."""
    if folder.exists() or not folder.parent.is_dir():
        return
    moved = re.compile(rf"\.{re.escape(folder.name)}-[^-]+-old")  # not what "tuned-2" has left, for "tuned"
    for old in sorted(one for one in folder.parent.iterdir() if moved.fullmatch(one.name)):
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


def check_whole(folder: Path, about: Mapping[str, Any]) -> None:
    """See whether all files are those that were written.

    Raises
    ------
    ArtifactError
        Naming the first that is missing or changed.
    """
    for name, digest in about["files"].items():
        path = folder / Path(name).name
        if not path.is_file() or file_digest(path) != digest:
            raise ArtifactError(
                f"{path} is damaged or was changed",
                expected=f"what was saved, sha256 {digest[:12]}…",
                received="other content" if path.is_file() else "no such file",
                hint="Copy the whole folder again, or tune again.",
            )


def told(folder: Path) -> dict[str, Any]:
    """What tuning.json says.

    Raises
    ------
    ArtifactError
        When there is none, or it is damaged.
    """
    recover(folder)
    content = read_json(folder / ABOUT)
    wrong = [name for name, kind in KINDS.items() if not isinstance(_field(content, name), kind)]
    if wrong or not 0.0 <= content.get("scale", 1.0) <= 1.0:
        raise ArtifactError(
            f"{folder / ABOUT} is damaged",
            expected="what zhiyin tune wrote",
            received=f"{(wrong or ['scale'])[0]} = {_field(content, (wrong or ['scale'])[0])!r}"[:120],
            hint="Copy the whole folder again, or tune again.",
        )
    found: dict[str, Any] = content
    return found


def _field(content: Any, name: str) -> Any:
    if not isinstance(content, dict):
        return None
    return content.get(name, 1.0) if name == "scale" else content.get(name)
