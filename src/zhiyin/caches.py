"""Bounded caches keyed by content; they know nothing of what they hold.

``content_key`` is the sha256 of everything that the value depends on (model, adapter, prompt
version, input), so a stale value cannot be found. ``MemoryCache`` lives in the process;
``ArrayCache`` keeps arrays in a folder, written under a temporary name and renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from zhiyin.errors import InputError

__all__ = ["ArrayCache", "MemoryCache", "content_key"]

V = TypeVar("V")


def content_key(*parts: object) -> str:
    """sha256 (hex) of the parts; JSON keeps ("ab", "c") apart from ("a", "bc").

    Examples
    --------
    >>> content_key("ab", "c") == content_key("a", "bc")
    False
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class MemoryCache(Generic[V]):
    """Least-recently-used cache bounded by total size; safe between threads.

    Parameters
    ----------
    capacity : int
        Largest total size, in the unit of ``size_of``. 0 keeps nothing.
    size_of : callable
        Size of one value; 1 for each value unless given.
    """

    def __init__(self, capacity: int, size_of: Callable[[V], int] = lambda _: 1) -> None:
        if capacity < 0:
            raise InputError("capacity is negative", expected=">= 0", received=str(capacity))
        self.capacity = capacity
        self._size_of = size_of
        self._values: OrderedDict[str, tuple[V, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> V | None:
        """The value, now the most recent, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: str, value: V) -> None:
        """Keep a value; drop the least recent ones until all fit."""
        size = self._size_of(value)
        with self._lock:
            if key in self._values:
                self._size -= self._values.pop(key)[1]
            if size > self.capacity:
                return
            self._values[key] = (value, size)
            self._size += size
            while self._size > self.capacity:
                self._size -= self._values.popitem(last=False)[1][1]

    @property
    def size(self) -> int:
        """Total size of what is held."""
        return self._size

    def __len__(self) -> int:
        return len(self._values)


class ArrayCache:
    """Arrays in a folder, by content key, bounded in bytes (oldest access goes first).

    A file is complete or absent: it is written under a temporary name and renamed. A file that
    cannot be read is treated as absent.
    """

    def __init__(self, folder: Path, *, max_bytes: int = 2 << 30) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self._size: int | None = None

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"

    def get(self, key: str) -> npt.NDArray[Any] | None:
        """The array, or None."""
        path = self._path(key)
        try:
            array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
            os.utime(path)
        except (OSError, ValueError, EOFError):
            return None
        return array

    def put(self, key: str, array: npt.NDArray[Any]) -> None:
        """Keep an array; where the disk refuses, warn and go on without."""
        try:
            self._write(key, array)
        except OSError as error:
            structlog.get_logger().warning("not cached", folder=str(self.folder), reason=str(error))

    def _write(self, key: str, array: npt.NDArray[Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.save(file, array, allow_pickle=False)
            Path(name).replace(self._path(key))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._shrink(_on_disk(self._path(key).stat()))

    def _shrink(self, added: int) -> None:
        """Drop the oldest files; the folder is listed at first and when the bound is reached."""
        if self._size is not None and self._size + added <= self.max_bytes:
            self._size += added
            return
        stats = []
        for path in self.folder.glob("*.npy"):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                stats.append((stat.st_mtime, _on_disk(stat), path))
        total = sum(size for _, size, _ in stats)
        for _, size, path in sorted(stats):
            if total <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
        self._size = total


def _on_disk(stat: os.stat_result) -> int:
    """Bytes a file takes on disk: whole blocks, where the system tells."""
    return max(stat.st_size, 512 * getattr(stat, "st_blocks", 0))
