"""From a path to a format and blocks of bytes; knows how files fail, not what is in them."""

from __future__ import annotations

import difflib
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zhiyin.errors import DataError

__all__ = ["BLOCK", "Source", "blocks", "locate"]

BLOCK: Final = 32 * 2**20  # bytes of text that are in memory at a time
SUFFIXES: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".parquet")
MAGIC: Final = {b"\x1f\x8b": "a gzip file", b"PK\x03\x04": "a zip or Excel file", b"PAR1": "a Parquet file"}


@dataclass(frozen=True)
class Source:
    """An existing file and what its name says about it."""

    path: Path
    format: str
    compressed: bool

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name


def locate(path: str | Path) -> Source:
    """Find a file and tell its format by its suffix.

    Raises
    ------
    DataError
        When there is no such file, it is a folder, or its suffix is none of ours.
    """
    path = Path(path)
    name = path.name.lower()
    if path.is_dir():
        raise DataError(
            f"{path} is a folder", expected="a file", received="a folder", hint="Name the file inside it."
        )
    if not path.exists():
        raise _missing(path)
    if not name.endswith(SUFFIXES):
        raise DataError(
            f"{path.name} has a format that cannot be read",
            expected=", ".join(SUFFIXES),
            received=path.suffix or "no suffix",
            hint="Save it as CSV (UTF-8), JSON Lines or Parquet, and name it so.",
        )
    compressed = name.endswith(".gz")
    return Source(path, name.removesuffix(".gz").rsplit(".", 1)[-1], compressed)


def blocks(source: Source, *, size: int = BLOCK) -> Iterator[bytes]:
    """The content of a text file, unpacked, without a byte-order mark, in blocks of whole lines.

    Parameters
    ----------
    size : int
        Bytes of a block; more where a line is longer. The last block may lack a line end.

    Raises
    ------
    DataError
        When it cannot be read or unpacked, is empty, or is not text in UTF-8 at all.
    """
    some, rest = False, b""
    for number, data in enumerate(_pieces(source, size)):
        if number == 0:
            _refuse_other_formats(source, data)
            data = data.removeprefix(b"\xef\xbb\xbf")
        some = some or bool(data.strip())
        end = data.rfind(b"\n") + 1
        if end == 0:
            rest += data
            continue
        yield rest + data[:end]
        rest = data[end:]
    if not some:
        raise _empty(source)
    if rest:
        yield rest


def _pieces(source: Source, size: int) -> Iterator[bytes]:
    try:
        with gzip.open(source.path) if source.compressed else source.path.open("rb") as file:
            while data := file.read(size):
                yield data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{source.name} is damaged",
            expected="a complete gzip file",
            received=str(error) or type(error).__name__,
            hint="Copy or compress the file again; if it is not compressed, drop the .gz from its name.",
        ) from error
    except OSError as error:
        raise DataError(
            f"{source.name} cannot be read",
            expected="a readable file",
            received=error.strerror or str(error),
            hint="Check the file's permissions and the disk.",
        ) from error


def _empty(source: Source) -> DataError:
    return DataError(
        f"{source.name} is empty",
        expected="a header line and rows" if source.format != "jsonl" else "one JSON object a line",
        received="nothing but white space" if source.path.stat().st_size else "0 bytes",
        hint="Export the file again.",
    )


def _refuse_other_formats(source: Source, data: bytes) -> None:
    found = next((what for magic, what in MAGIC.items() if data.startswith(magic)), None)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:400].count(0) > 40:
        found = "text in UTF-16, or a binary file"
    if found is not None:
        raise DataError(
            f"{source.name} is not what its name says",
            expected=f"{source.format.upper()} text in UTF-8",
            received=found,
            hint="Give the file its true suffix, or save it again as UTF-8 text.",
        )


def _missing(path: Path) -> DataError:
    folder = path.parent
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    if near:
        hint = f"Did you mean {str(folder / near[0])!r}?"
    else:
        hint = "Check the path." if folder.is_dir() else f"The folder {str(folder)!r} does not exist either."
    return DataError(
        f"{path} does not exist", expected="an existing file", received="no such file", hint=hint
    )
