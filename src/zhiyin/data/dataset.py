"""Events and items as one immutable table pair; knows files only through ``reading``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from scipy import sparse

from zhiyin.artifacts import read_json, write_frame, write_text
from zhiyin.data.catalogue import Catalogue, finite_column, id_column, text_column
from zhiyin.data.cleaning import clean_events
from zhiyin.data.columns import Columns
from zhiyin.data.reading.problems import ProblemReport
from zhiyin.data.reading import read_events, read_items, read_users
from zhiyin.errors import ArtifactError, DataError, InputError
from zhiyin.types import FloatArray, IntArray, Ragged

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Who did what when.

    ``events`` is sorted by time and holds ``user`` and ``item`` (Int32 indices), ``timestamp``
    (Float64 seconds), ``event`` (String), ``value`` (Float64), ``quantity`` (Float64) and
    ``session_id`` (String or null). The strength of an event is its value times the entry of
    ``event_weights`` for its type (1 where there is none). ``cut`` is the moment the data speaks
    of: what is known is older. ``users`` holds ``user_id`` and attribute columns, one row a user, by index.
    ``event_types`` are those of the whole data: a part may hold fewer. ``has_times`` is False where
    the whole data had no timestamps or a single one, so that "recent" and "before" mean nothing.
    """

    catalogue: Catalogue
    users: pl.DataFrame
    events: pl.DataFrame
    cut: float
    event_types: tuple[str, ...]
    report: ProblemReport = field(default_factory=ProblemReport)
    has_times: bool = True
    event_weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_files(
        cls,
        events: str | Path,
        items: str | Path | None = None,
        users: str | Path | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        delimiter: str = ",",
        event_weights: Mapping[str, float] | None = None,
        max_rejected: float = 0.1,
    ) -> Self:
        """Read, check and clean files (CSV, gzip, Parquet, JSON Lines).

        Parameters
        ----------
        events, items, users : path
            ``user_id, item_id[, timestamp, event, value, quantity, session_id]``;
            ``item_id[, title, price, available_from, …]``; ``user_id[, …]``.
        columns : Mapping
            Our name -> the file's name, where they differ.
        delimiter : str
            Of CSV files.
        event_weights : Mapping
            Event type -> strength; multiplies ``value``. Events of strength <= 0 stay in histories
            but are no sign of interest: not in ``matrix``, not in the truth of a split.
        max_rejected : float
            Share of a file's rows that may be kept aside, in [0, 1].

        Raises
        ------
        DataError
            When a file cannot be used; rows that cannot be used are kept aside in ``report``.
        """
        options: dict[str, Any] = {
            "columns": columns, "delimiter": delimiter, "max_rejected": max_rejected,
        }  # fmt: skip
        event_frame, report = read_events(Path(events), **options)
        event_frame, cleaned = clean_events(event_frame)
        report = report.merge(cleaned)
        item_frame = user_frame = None
        if items is not None:
            item_frame, problems = read_items(Path(items), **options)
            report = report.merge(problems)
        if users is not None:
            user_frame, problems = read_users(Path(users), **options)
            report = report.merge(problems)
        return cls.from_frames(
            event_frame, item_frame, user_frame, event_weights=event_weights, report=report
        )

    @classmethod
    def from_frames(
        cls,
        events: pl.DataFrame,
        items: pl.DataFrame | None = None,
        users: pl.DataFrame | None = None,
        *,
        event_weights: Mapping[str, float] | None = None,
        report: ProblemReport | None = None,
    ) -> Self:
        """From tables with external ids; items that only occur in events are added without a title.

        Whole-number ids become text. ``timestamp``, where there is one, is finite seconds >= 0 in
        each row; ``value`` and ``quantity`` are finite or null (1).

        Raises
        ------
        DataError
            When a column is missing, has a type that cannot be used, or holds null ids, decimal
            ids, or times that are null, NaN, infinite or negative; or a user is listed twice.
        InputError
            When an event weight is not finite.

        Examples
        --------
        >>> events = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["0012", "1e5"]})
        >>> Dataset.from_frames(events).catalogue.ids
        ('0012', '1e5')
        """
        if events.height == 0:
            raise DataError("There are no events", expected="at least one row", received="0 rows")
        events = _checked_events(events)
        known = pl.DataFrame({Columns.ITEM_ID: []}, schema={Columns.ITEM_ID: pl.String})
        catalogue = Catalogue.from_frame(items if items is not None else known)
        listed = len(catalogue)
        fresh = events.select(Columns.ITEM_ID).unique(maintain_order=True)
        catalogue = Catalogue.from_frame(catalogue.with_items(fresh).frame)
        report = report if report is not None else ProblemReport()
        if items is not None and len(catalogue) > listed:
            example = catalogue.ids[listed]
            report = report.with_note(
                f"{len(catalogue) - listed} items of the events are not among the items"
                f" (for example {example!r}): kept, without a title"
            )
        people = _people(events, users)
        full = _indexed(events, catalogue, people)
        types = tuple(sorted(full[Columns.EVENT].unique().to_list()))
        times = full[Columns.TIMESTAMP].to_numpy()  # sorted
        cut = float(np.nextafter(times[-1], np.inf))
        several = bool(times[0] < times[-1])
        weights = _checked_weights(event_weights)
        return cls(catalogue, people, full, cut, types, report, has_times=several, event_weights=weights)

    @property
    def n_users(self) -> int:
        """Size of the user vocabulary."""
        return self.users.height

    @property
    def n_items(self) -> int:
        """Size of the item vocabulary."""
        return len(self.catalogue)

    @property
    def n_events(self) -> int:
        """Number of events."""
        return self.events.height

    @cached_property
    def user_ids(self) -> tuple[str, ...]:
        """External user ids by index."""
        return tuple(self.users[Columns.USER_ID].to_list())

    @cached_property
    def _user_index(self) -> dict[str, int]:
        return {user: index for index, user in enumerate(self.user_ids)}

    def index_of_users(self, ids: Sequence[str | None]) -> IntArray:
        """Indices int32 of external user ids, -1 where unknown."""
        return np.array([-1 if i is None else self._user_index.get(i, -1) for i in ids], dtype=np.int32)

    @cached_property
    def active_users(self) -> IntArray:
        """Indices of the users who have events here, ascending."""
        found = self.events[Columns.USER].unique().sort().to_numpy()
        return found.astype(np.int32)

    @cached_property
    def _all_histories(self) -> Ragged:
        ordered = self.events.sort(Columns.USER, Columns.TIMESTAMP, maintain_order=True)
        counts = np.bincount(ordered[Columns.USER].to_numpy(), minlength=self.n_users)
        codes = ordered[Columns.EVENT].replace_strict(
            list(self.event_types), list(range(len(self.event_types))), return_dtype=pl.Int16
        )
        weights = np.array([self.event_weights.get(kind, 1.0) for kind in self.event_types])
        return Ragged(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            ordered[Columns.ITEM].to_numpy().astype(np.int32),
            ordered[Columns.TIMESTAMP].to_numpy().astype(np.float64),
            (ordered[Columns.VALUE].to_numpy() * weights[codes.to_numpy()]).astype(np.float32),
            codes.to_numpy().astype(np.int16),
        )

    def histories(self, users: IntArray | None = None) -> Ragged:
        """The events of users (indices, -1: nobody), oldest first; all users by default."""
        if users is None:
            return self._all_histories
        if len(users) and int(users.min()) < 0:
            full = self._all_histories
            padded = replace(full, offsets=np.append(full.offsets, full.offsets[-1]))
            return padded.take(np.where(users < 0, self.n_users, users))
        return self._all_histories.take(users)

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """Strength of users and items, float32 [n_users, n_items].

        The largest ``value`` of the user's events with the item; nothing where none is above 0.
        """
        return self._all_histories.matrix(self.n_items)

    @cached_property
    def counts(self) -> FloatArray:
        """Number of events of each item, whatever their strength, float64 [n_items]."""
        return np.bincount(self.events[Columns.ITEM].to_numpy(), minlength=self.n_items).astype(np.float64)

    def where(self, keep: pl.Series | pl.Expr, *, cut: float) -> Dataset:
        """The same vocabularies with only some of the events."""
        return replace(self, events=self.events.filter(keep), cut=cut)

    def joined(self, later: Dataset) -> Dataset:
        """Join a later part of the same data, as known at the later part's cut."""
        events = pl.concat([self.events, later.events]).sort(Columns.TIMESTAMP, maintain_order=True)
        return replace(self, events=events, cut=max(self.cut, later.cut))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of items, users, events, their weights and the cut."""
        digest = hashlib.sha256(self.catalogue.fingerprint.encode())
        digest.update("\x1f".join(self.user_ids).encode("utf-8", "replace"))
        for name in (Columns.USER, Columns.ITEM, Columns.TIMESTAMP, Columns.VALUE):
            digest.update(self.events[name].to_numpy().tobytes())
        digest.update("\x1f".join(self.events[Columns.EVENT]).encode("utf-8", "replace"))
        digest.update(json.dumps([self.cut, sorted(self.event_weights.items())]).encode())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write catalogue, users and events as Parquet, the rest as JSON, into an existing folder.

        The problem report is not kept.
        """
        self.catalogue.save(folder)
        write_frame(folder / "users.parquet", self.users)
        write_frame(folder / "events.parquet", self.events)
        facts = {
            "cut": self.cut,
            "event_types": self.event_types,
            "has_times": self.has_times,
            "event_weights": dict(self.event_weights),
            "catalogue_version": self.catalogue.version,
        }
        write_text(folder / "dataset.json", json.dumps(facts, indent=1, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        ArtifactError
            When dataset.json is missing, damaged, or does not fit the events.
        """
        facts = read_json(folder / "dataset.json")
        events = pl.read_parquet(folder / "events.parquet")
        try:
            cut, version = float(facts["cut"]), int(facts["catalogue_version"])
            types, has_times = tuple(facts["event_types"]), bool(facts["has_times"])
            weights = {str(kind): float(weight) for kind, weight in facts["event_weights"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            wanted = "cut, event_types, has_times, event_weights, catalogue_version"
            raise _damaged(folder, wanted, repr(error)) from error
        unknown = set(events[Columns.EVENT].unique()) - set(types)
        if unknown:
            raise _damaged(folder, f"event types {', '.join(types)}", f"events of {sorted(unknown)}")
        users = pl.read_parquet(folder / "users.parquet")
        catalogue = Catalogue.load(folder, version=version)
        return cls(catalogue, users, events, cut, types, has_times=has_times, event_weights=weights)


def _damaged(folder: Path, expected: str, received: str) -> ArtifactError:
    message = f"{folder / 'dataset.json'} is damaged"
    return ArtifactError(message, expected=expected, received=received, hint="Save the data again.")


def _checked_events(events: pl.DataFrame) -> pl.DataFrame:
    """The events with columns of the right types and possible values."""
    missing = [name for name in (Columns.USER_ID, Columns.ITEM_ID) if name not in events.columns]
    if missing:
        raise DataError(
            f"The events have no column {' and '.join(missing)}",
            expected="columns user_id and item_id",
            received=", ".join(events.columns),
            hint="Rename the columns that hold the ids.",
        )
    where, columns = "events", set(events.columns)
    checked = [id_column(events[name], table=where) for name in (Columns.USER_ID, Columns.ITEM_ID)]
    checked += [
        text_column(events[name], table=where)
        for name in (Columns.EVENT, Columns.SESSION_ID)
        if name in columns
    ]
    if Columns.TIMESTAMP in columns:
        checked.append(finite_column(events[Columns.TIMESTAMP], table=where, least=0.0, null=False))
    checked += [
        finite_column(events[name], table=where, least=-np.inf, null=True)
        for name in (Columns.VALUE, Columns.QUANTITY)
        if name in columns
    ]
    return events.with_columns(checked)


def _people(events: pl.DataFrame, users: pl.DataFrame | None) -> pl.DataFrame:
    found = events.select(Columns.USER_ID).unique(maintain_order=True)
    if users is None:
        return found
    if Columns.USER_ID not in users.columns:
        raise DataError(
            "The users have no column user_id",
            expected="a column user_id",
            received=", ".join(users.columns),
            hint="Rename the column that holds the ids.",
        )
    users = users.with_columns(id_column(users[Columns.USER_ID], table="users"))
    twice = users.filter(pl.col(Columns.USER_ID).is_duplicated())
    if twice.height:
        raise DataError(
            "The users hold each user_id once",
            expected="one row a user",
            received=f"{twice[Columns.USER_ID][0]!r} more than once",
            hint="Remove the duplicates.",
        )
    fresh = found.filter(~pl.col(Columns.USER_ID).is_in(users[Columns.USER_ID].implode()))
    return pl.concat([users, fresh], how="diagonal")


def _checked_weights(weights: Mapping[str, float] | None) -> dict[str, float]:
    checked = {} if weights is None else dict(weights)
    if not np.isfinite(list(checked.values())).all():
        raise InputError("An event weight is not finite", expected="finite numbers", received=str(checked))
    return checked


def _indexed(events: pl.DataFrame, catalogue: Catalogue, people: pl.DataFrame) -> pl.DataFrame:
    defaults = {
        Columns.TIMESTAMP: pl.lit(0.0, pl.Float64),
        Columns.EVENT: pl.lit("interaction", pl.String),
        Columns.VALUE: pl.lit(1.0, pl.Float64),
        Columns.QUANTITY: pl.lit(1.0, pl.Float64),
        Columns.SESSION_ID: pl.lit(None, pl.String),
    }
    missing = [value.alias(name) for name, value in defaults.items() if name not in events.columns]
    full = events.with_columns(missing).with_columns(
        pl.col(Columns.EVENT).fill_null("interaction"),
        pl.col(Columns.VALUE).fill_null(1.0),
        pl.col(Columns.QUANTITY).fill_null(1.0),
    )
    user_index = people.select(Columns.USER_ID).with_row_index(Columns.USER)
    item_index = catalogue.frame.select(Columns.ITEM_ID).with_row_index(Columns.ITEM)
    full = full.join(user_index, on=Columns.USER_ID, how="left", maintain_order="left")
    full = full.join(item_index, on=Columns.ITEM_ID, how="left", maintain_order="left")
    return full.select(
        pl.col(Columns.USER).cast(pl.Int32), pl.col(Columns.ITEM).cast(pl.Int32), *defaults
    ).sort(Columns.TIMESTAMP, maintain_order=True)
