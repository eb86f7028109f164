"""A TOML file that says where the data is and how it is read; knows no recipe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field

from zhiyin.artifacts import write_text
from zhiyin.config import Config, parse, read_toml
from zhiyin.data.dataset import Dataset
from zhiyin.data.reading import Place, Query
from zhiyin.data.reading.times import DateOrder
from zhiyin.errors import ConfigError

__all__ = ["DataDescription"]

ENVIRONMENT: Final = "env:"
BESIDE: Final = "sqlite:///"


class DataDescription(Config):
    """What ``Dataset.from_files`` is given, as a file.

    Paths are relative to the file. With ``sql``, the URL of a database or "env:NAME" of the variable that
    holds it, ``events``, ``items``, ``users``, ``texts`` and ``triples`` are queries or names of tables.

    Examples
    --------
    >>> DataDescription(events="orders.csv", columns={"user_id": "CustomerID"}, delimiter=";").dates
    'ymd'
    """

    events: str
    items: str | None = None
    users: str | None = None
    texts: str | None = None
    triples: str | None = None
    vectors: dict[str, str] = Field(default_factory=dict)
    sql: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    delimiter: str | dict[str, str] = ","
    dates: DateOrder | dict[str, DateOrder] = "ymd"
    max_rejected: float = Field(default=0.1, ge=0, le=1)
    event_weights: dict[str, float] = Field(default_factory=dict)
    cleaning: dict[str, bool | dict[str, Any]] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a file.

        Raises
        ------
        ConfigError
            When it is no TOML, or says what is not understood.
        """
        values = read_toml(Path(path))
        # "[columns.items] title = …" and "items.title = …" are the same.
        columns = values.get("columns")
        if isinstance(columns, Mapping):
            values["columns"] = _flat(columns)
        return parse(cls, values, where=str(path))

    def dataset(
        self, folder: str | Path = ".", *, event_weights: Mapping[str, float] | None = None
    ) -> Dataset:
        """Read the data.

        Parameters
        ----------
        folder : path
            What paths are relative to.
        event_weights : Mapping, optional
            Used where the description has none.

        Raises
        ------
        DataError, ConfigError
        """
        places = {
            name: None if (given := getattr(self, name)) is None else self._place(given, Path(folder))
            for name in ("items", "users", "texts", "triples")
        }
        return Dataset.from_files(
            self._place(self.events, Path(folder)),
            **places,
            vectors={name: Path(folder) / path for name, path in self.vectors.items()},
            columns=self.columns,
            delimiter=self.delimiter,
            dates=self.dates,
            event_weights=self.event_weights or event_weights,
            max_rejected=self.max_rejected,
            cleaning=self.cleaning,
        )

    def moved(self, old: str | Path, new: str | Path) -> Self:
        """The same description, its paths relative to ``new`` instead of ``old``."""
        here, home = Path(old), Path(new).resolve()

        def relative(given: str) -> str:
            return os.path.relpath((here / given).resolve(), home)

        vectors = {name: relative(path) for name, path in self.vectors.items()}
        if self.sql is not None:
            return self.model_copy(update={"vectors": vectors, "sql": _absolute(self.sql, here)})
        paths = {
            name: relative(given)
            for name in ("events", "items", "users", "texts", "triples")
            if (given := getattr(self, name)) is not None
        }
        return self.model_copy(update={**paths, "vectors": vectors})

    def write(self, path: str | Path) -> None:
        """Write what differs from the defaults as TOML."""
        lines = []
        tables = []
        for name, value in self.model_dump(exclude_defaults=True).items():
            if isinstance(value, dict):
                tables += [f"\n[{name}]", *(f"{_key(key)} = {_value(one)}" for key, one in value.items())]
            else:
                lines.append(f"{name} = {_value(value)}")
        write_text(Path(path), "\n".join([*lines, *tables]) + "\n")

    def _place(self, given: str, folder: Path) -> Place:
        if self.sql is None:
            return folder / given
        url = self.sql
        if url.startswith(ENVIRONMENT):
            name = url.removeprefix(ENVIRONMENT)
            if name not in os.environ:
                raise ConfigError(
                    f"The environment variable {name} is not set",
                    expected="the URL of a database",
                    received="nothing",
                    hint=f"export {name}=postgresql://…",
                )
            url = os.environ[name]
        return Query(_absolute(url, folder), given)


def _absolute(url: str, folder: Path) -> str:
    """The URL with the file of an SQLite database that lies beside a description made absolute."""
    if not url.startswith(BESIDE) or url.startswith(f"{BESIDE}/"):
        return url
    return BESIDE + str((folder / url.removeprefix(BESIDE)).resolve())


def _flat(columns: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in columns.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": theirs for inner, theirs in value.items()}
        else:
            flat[name] = value
    return flat


def _key(name: str) -> str:
    return _value(name)


def _value(value: Any) -> str:
    """A value as TOML: text, number, truth, table."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items()) + " }"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'
    return repr(value)
