"""Folders that are whole or absent: manifest, checksums, a pointer to the current one.

``folder/current`` names a version below ``folder/versions/``; each version holds its files and
``manifest.json`` (format, zhiyin version, config, dataset fingerprint, seed, sha256 of each file).
A version is written under a temporary name and renamed, then the pointer is replaced, so a kill at
any moment leaves the old one or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from zhiyin.errors import ArtifactError

__all__ = [
    "FORMAT",
    "Draft",
    "Manifest",
    "current_name",
    "file_digest",
    "point_to",
    "read_json",
    "read_version",
    "replaced",
    "version_names",
    "write_bytes",
    "write_frame",
    "write_text",
    "write_version",
]

FORMAT = 2
KEPT_VERSIONS = 4
ABANDONED_SECONDS = 3600.0
NAME_LENGTH = 16


@dataclass(frozen=True)
class Manifest:
    """What a saved folder says of itself."""

    kind: str
    config: Mapping[str, Any]
    dataset: str
    seed: int
    files: Mapping[str, str]
    zhiyin: str
    format: int = FORMAT


@dataclass
class Draft:
    """A version in the making."""

    path: Path
    name: str = ""


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all (temporary name, then rename)."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all (temporary name, then rename).

    Raises
    ------
    ArtifactError
        When the disk refuses; what was there before is unchanged.
    """
    with replaced(path) as draft:
        draft.write_bytes(content)


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary file to write; it takes the place of ``path`` when that has worked.

    Raises
    ------
    ArtifactError
        When the disk refuses; what was there before is unchanged.
    """
    path = Path(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        draft = Path(name)
        try:
            yield draft
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
            draft.chmod(0o644)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def read_json(path: Path) -> Any:
    """A JSON file's content.

    Raises
    ------
    ArtifactError
        When it is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing", hint="Save the component again.") from error
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged", expected="JSON", received=str(error)) from error


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a Parquet file whole or not at all."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_bytes(path, buffer.getvalue())


@contextlib.contextmanager
def write_version(
    folder: Path, *, kind: str, config: Mapping[str, Any], dataset: str, seed: int, current: bool = True
) -> Iterator[Draft]:
    """Fill a new version of ``folder``; it becomes the current one when the block ends well.

    Parameters
    ----------
    folder : Path
        Where the artifact lives; made if missing.
    kind : str
        What is saved, e.g. "recommender"; ``read_version`` checks it.
    config, dataset, seed
        The resolved config, the dataset's fingerprint and the seed that made it.
    current : bool
        Whether it becomes the current one; where there is none yet, it always does.

    Yields
    ------
    Draft
        Its ``path`` is an empty folder to write into; its ``name`` is known when the block has ended.

    Raises
    ------
    ArtifactError
        When the disk refuses; the old version stays the current one.
    """
    folder = Path(folder)
    versions = folder / "versions"
    with _explained(folder):
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"{folder} is a file")
        versions.mkdir(parents=True, exist_ok=True)
        _sweep(versions)
        draft = Path(tempfile.mkdtemp(dir=versions, prefix=f".draft-{os.getpid()}-"))
        filled = Draft(draft)
        try:
            yield filled
            files = {str(path.relative_to(draft)): file_digest(path) for path in _files(draft)}
            manifest = {
                "format": FORMAT,
                "kind": kind,
                "zhiyin": metadata.version("zhiyin"),
                "config": config,
                "dataset": dataset,
                "seed": seed,
                "files": files,
            }
            write_text(draft / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False))
            name = file_digest(draft / "manifest.json")[:NAME_LENGTH]
            if (versions / name).exists() and _damage(versions / name, files) is not None:
                (versions / name).rename(draft.with_suffix(".damaged"))
                shutil.rmtree(draft.with_suffix(".damaged"), ignore_errors=True)
            if not (versions / name).exists():
                draft.chmod(0o755)
                draft.rename(versions / name)
            filled.name = name
            if current or not (folder / "current").exists():
                point_to(folder, name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _prune(folder, keep=name)


def point_to(folder: Path, name: str) -> None:
    """Make a version the current one.

    Raises
    ------
    ArtifactError
        When there is no such version.
    """
    if not (Path(folder) / "versions" / Path(name).name / "manifest.json").is_file():
        raise ArtifactError(f"{folder} holds no version {name!r}", expected=", ".join(version_names(folder)))
    write_text(Path(folder) / "current", name + "\n")


def version_names(folder: Path) -> list[str]:
    """The versions that a folder holds, oldest first."""
    found = [path for path in (Path(folder) / "versions").glob("*") if not path.name.startswith(".")]
    return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime)]


def current_name(folder: Path) -> str | None:
    """The name of the current version, None where there is none."""
    try:
        return (Path(folder) / "current").read_text(encoding="utf-8").strip()
    except OSError:
        return None


def read_version(folder: Path, *, kind: str, name: str | None = None) -> tuple[Path, Manifest]:
    """A version of an artifact, the current one by default, checked file by file.

    Raises
    ------
    ArtifactError
        Naming the folder, and the file that is missing, changed or of another format.
    """
    folder = Path(folder)
    name = current_name(folder) if name is None else name
    if name is None:
        raise ArtifactError(
            f"{folder} holds no saved {kind}",
            expected=f"a folder written by save(), with a file {folder / 'current'}",
            received="no such folder" if not folder.exists() else "no pointer 'current'",
            hint="Check the path, or fit and save again.",
        )
    version = folder / "versions" / Path(name).name
    content = read_json(version / "manifest.json")
    try:
        manifest = Manifest(**content)
    except TypeError as error:
        raise ArtifactError(f"{version / 'manifest.json'} is damaged", received=str(error)) from error
    if manifest.format != FORMAT or manifest.kind != kind:
        raise ArtifactError(
            f"{folder} cannot be read by this release",
            expected=f"a {kind} of format {FORMAT}",
            received=f"a {manifest.kind} of format {manifest.format}, written by zhiyin {manifest.zhiyin}",
            hint="Load it with the release that wrote it, or fit again.",
        )
    wrong = _damage(version, manifest.files)
    if wrong is not None:
        raise ArtifactError(
            f"{version} is damaged: {wrong}",
            expected="the files that save() wrote",
            received="another content",
            hint="Restore the folder from a backup, or fit and save again.",
        )
    return version, manifest


def _damage(version: Path, files: Mapping[str, str]) -> str | None:
    """What is wrong with a version; its name is the start of its manifest's sha256."""
    if file_digest(version / "manifest.json")[:NAME_LENGTH] != version.name:
        return "manifest.json has changed"
    for relative, digest in files.items():
        path = version / relative
        if not path.is_file():
            return f"{relative} is missing"
        if file_digest(path) != digest:
            return f"{relative} has changed"
    return None


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except ArtifactError:
        raise
    except OSError as error:
        raise ArtifactError(
            f"Could not write {path}",
            expected="a writable folder with free space",
            received=error.strerror or str(error),
            hint="Free some space or choose another folder; what was there before is unchanged.",
        ) from error


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def file_digest(path: Path) -> str:
    """The sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sweep(versions: Path) -> None:
    """Remove what processes that were killed have left half-written."""
    for path in versions.glob(".draft-*-*"):
        owner = path.name.split("-")[1]
        gone = owner.isdigit() and Path("/proc/self").exists() and not Path(f"/proc/{owner}").exists()
        # A young one may belong to another machine that shares the folder.
        with contextlib.suppress(OSError):
            if gone and time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _prune(folder: Path, *, keep: str) -> None:
    kept = {keep, current_name(folder)}
    old = [name for name in version_names(folder) if name not in kept]
    for name in old[: max(len(old) + len(kept) - KEPT_VERSIONS, 0)]:
        shutil.rmtree(folder / "versions" / name, ignore_errors=True)
