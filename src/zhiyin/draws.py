"""Random draws that depend only on (seed, key), never on the batch they are drawn in.

Every draw comes from the counter-based generator Philox4x64 (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3"), keyed by the seed and the request's key; ``stream`` separates the
uses of one request. The same request gives the same numbers alone or among thousands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError

__all__ = ["generator", "key_of", "keys_of", "uniforms"]


def key_of(*parts: object) -> int:
    """A stable 64-bit key from any printable parts.

    Examples
    --------
    >>> key_of("17850", 10) == key_of("17850", 10)
    True
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def keys_of(names: Iterable[object]) -> npt.NDArray[np.uint64]:
    """``key_of`` of each name, as uint64."""
    return np.array([key_of(name) for name in names], dtype=np.uint64)


def generator(seed: int, key: int, *, stream: str = "") -> np.random.Generator:
    """The generator of one request.

    Parameters
    ----------
    seed : int
        Run-wide seed, 0 to 2**64 - 1.
    key : int
        Request key, 0 to 2**64 - 1.
    stream : str
        Name of the use ("explore", "split", …); each has its own numbers.
    """
    for name, value in (("seed", seed), ("key", key)):
        if not 0 <= int(value) < 2**64:
            raise InputError(f"{name} is out of range", expected="0 to 2**64 - 1", received=str(value))
    counter = [0, 0, 0, key_of(stream)]
    return np.random.Generator(np.random.Philox(counter=counter, key=[int(seed), int(key)]))


def uniforms(seed: int, keys: npt.NDArray[np.uint64], n: int, *, stream: str = "") -> npt.NDArray[np.float64]:
    """Uniform numbers in [0, 1), shape [len(keys), n]; row u depends on (seed, keys[u]) only."""
    rows = np.empty((len(keys), n), dtype=np.float64)
    for row, key in zip(rows, keys, strict=True):
        generator(seed, int(key), stream=stream).random(out=row)
    return rows
