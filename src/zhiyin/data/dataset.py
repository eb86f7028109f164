"""Events and items as one immutable set of tables; knows no file format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from safetensors.numpy import load_file
from safetensors.numpy import save as to_safetensors
from scipy import sparse

from zhiyin.artifacts import read_json, write_bytes, write_frame, write_text
from zhiyin.data.assembling import (
    AS_TEXT,
    TEXT_SCHEMA,
    TRIPLE_SCHEMA,
    catalogue_of,
    categories,
    checked_events,
    checked_weights,
    coded,
    indexed_events,
    indexed_texts,
    indexed_triples,
    indexed_vectors,
    people_of,
    strange_weights,
)
from zhiyin.data.catalogue import Catalogue
from zhiyin.data.cleaning import Switches
from zhiyin.data.columns import Columns
from zhiyin.data.loading import Options, read_tables
from zhiyin.data.reading import Place, ProblemReport, read_vectors
from zhiyin.data.reading.times import DateOrder
from zhiyin.data.tensors import HistoryTensors
from zhiyin.errors import ArtifactError, InputError
from zhiyin.types import FloatArray, IntArray, Ragged, ScoreArray

__all__ = ["Dataset"]

DAY = 86_400.0
LEAST_SHARE = 1e-6  # of what an event was worth


@dataclass(frozen=True, eq=False)
class Dataset:
    """Who did what when.

    ``events`` is sorted by time and holds ``user`` and ``item`` (Int32 indices), ``timestamp``
    (Float64 seconds), ``event`` (Enum), ``value`` (Float64), ``quantity`` (Float64) and
    ``session_id`` (Categorical or null): 40 bytes an event. The strength of an event is its value times
    the entry of ``event_weights`` for its type (1 where there is none). ``cut`` is the moment the data speaks
    of: what is known is older. ``users`` holds ``user_id`` and attribute columns, one row a user, by index.
    ``event_types`` are those of the whole data: a part may hold fewer. ``has_times`` is False where
    the whole data had no timestamps or a single one, so that "recent" and "before" mean nothing.

    What else is known: ``texts``, what users wrote and searched for: ``user``, ``item`` (Int32, -1:
    about no item), ``timestamp``, ``event``, ``text``, by time; ``vectors``, name -> float32 [n, d] by
    item index, NaN where an item has none; ``triples``: ``head``, ``relation``, ``tail``, ``source``
    (String), ``head_item``, ``tail_item`` (Int32, -1: no item).
    """

    catalogue: Catalogue
    users: pl.DataFrame
    events: pl.DataFrame
    cut: float
    event_types: tuple[str, ...]
    report: ProblemReport = field(default_factory=ProblemReport)
    has_times: bool = True
    event_weights: Mapping[str, float] = field(default_factory=dict)
    texts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TEXT_SCHEMA))
    vectors: Mapping[str, ScoreArray] = field(default_factory=dict)
    triples: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TRIPLE_SCHEMA))

    @classmethod
    def from_files(
        cls,
        events: Place,
        items: Place | None = None,
        users: Place | None = None,
        *,
        texts: Place | None = None,
        vectors: Mapping[str, str | Path] | str | Path | None = None,
        triples: Place | None = None,
        columns: Mapping[str, str] | None = None,
        delimiter: str | Mapping[str, str] = ",",
        dates: DateOrder | Mapping[str, DateOrder] = "ymd",
        event_weights: Mapping[str, float] | None = None,
        max_rejected: float = 0.1,
        cleaning: Switches | None = None,
    ) -> Self:
        """Read, check and clean files (CSV, gzip, Parquet, JSON Lines) or queries to a database.

        Events are read in pieces: a file of any length needs about 120 bytes of memory an event.

        Parameters
        ----------
        events, items, users : path or Query
            ``user_id, item_id[, timestamp, event, value, quantity, session_id, text]``;
            ``item_id[, title, price, available_from, …]``; ``user_id[, …]``. A row of the events
            with a text and no item is a search.
        texts : path or Query
            What users wrote: ``user_id, text[, timestamp, event, item_id]``.
        vectors : path, or Mapping of names to paths
            Parquet of ``item_id`` and a vector: of images, sounds, anything.
        triples : path or Query
            ``head, relation, tail[, source]``; heads and tails are items by id, or by title.
        columns : Mapping
            Our name -> the file's name, where they differ; "items.title": of the items alone.
        delimiter : str or Mapping
            Of CSV files; or by table: {"items": ";"}.
        dates : {"ymd", "dmy", "mdy"} or Mapping
            Order of day and month where the year is last; "ymd": such dates are refused; or by table.
        event_weights : Mapping
            Event type -> strength; multiplies ``value``. Events of strength <= 0 stay in histories
            but are no sign of interest: not in ``matrix``, not in the truth of a split.
        max_rejected : float
            Share of a file's rows that may be kept aside, in [0, 1].
        cleaning : Mapping
            Rule of cleaning -> True, False or its parameters (``zhiyin.data.cleaning``).

        Raises
        ------
        DataError
            When a file cannot be used; rows that cannot be used are kept aside in ``report``.
        """
        options = Options(columns, delimiter, dates, max_rejected, cleaning or {})
        tables, report = read_tables(
            options, events=events, items=items, users=users, texts=texts, triples=triples
        )
        paths = {Path(vectors).stem: vectors} if isinstance(vectors, str | Path) else dict(vectors or {})
        return cls.from_frames(
            **tables,
            vectors={name: read_vectors(path) for name, path in paths.items()},
            event_weights=event_weights,
            report=report,
        )

    @classmethod
    def from_frames(
        cls,
        events: pl.DataFrame,
        items: pl.DataFrame | None = None,
        users: pl.DataFrame | None = None,
        *,
        texts: pl.DataFrame | None = None,
        vectors: Mapping[str, tuple[Sequence[str], ScoreArray]] | None = None,
        triples: pl.DataFrame | None = None,
        event_weights: Mapping[str, float] | None = None,
        report: ProblemReport | None = None,
    ) -> Self:
        """From tables with external ids; items that only occur in events are added without a title.

        Whole-number ids become text. ``timestamp``, where there is one, is finite seconds >= 0 in
        each row; ``value`` and ``quantity`` are finite or null (1). ``vectors``: name -> ids and their
        vectors, float32 [n, d].

        Raises
        ------
        DataError
            When a column is missing, has a type that cannot be used, or holds null ids, decimal
            ids, or times that are null, NaN, infinite or negative; or a user is listed twice.
        InputError
            When an event weight is not finite, or no event is a sign of interest.

        Examples
        --------
        >>> events = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["0012", "1e5"]})
        >>> Dataset.from_frames(events).catalogue.ids
        ('0012', '1e5')
        """
        report = report if report is not None else ProblemReport()
        weights = checked_weights(event_weights)
        events, said = checked_events(events, texts)
        catalogue, report = catalogue_of(events, items, report)
        people = people_of([events, said], users)
        full = indexed_events(events, catalogue, people)
        times = full[Columns.TIMESTAMP]  # sorted
        joined, notes = indexed_vectors(vectors or {}, catalogue)
        notes += strange_weights(full, weights)
        return cls(
            catalogue,
            people,
            full,
            cut=float(np.nextafter(times[-1], np.inf)),
            event_types=categories(full[Columns.EVENT]),
            report=replace(report, notes=(*report.notes, *notes)),
            has_times=bool(times[0] < times[-1]),
            event_weights=weights,
            texts=indexed_texts(said, catalogue, people),
            vectors=joined,
            triples=indexed_triples(triples, catalogue),
        )

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
        codes = ordered[Columns.EVENT].to_physical().to_numpy()
        weights = np.array([self.event_weights.get(kind, 1.0) for kind in self.event_types])
        return Ragged(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            ordered[Columns.ITEM].to_numpy().astype(np.int32),
            ordered[Columns.TIMESTAMP].to_numpy().astype(np.float64),
            (ordered[Columns.VALUE].to_numpy() * weights[codes]).astype(np.float32),
            codes.astype(np.int16),
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

    def to_torch(self, users: IntArray | None = None) -> HistoryTensors:
        """The histories of users (indices; all who have events by default) as a data set of torch.

        Raises
        ------
        InputError
            When users are not indices.
        MissingExtraError
            When torch is not installed.
        """
        chosen = self.active_users if users is None else users
        if not (isinstance(chosen, np.ndarray) and chosen.dtype.kind == "i" and chosen.ndim == 1) or (
            len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < self.n_users
        ):
            raise InputError(
                "These are no indices of users",
                expected=f"an array of whole numbers from 0 to {self.n_users - 1}",
                received=str(chosen)[:100],
                hint="index_of_users(ids) gives them.",
            )
        return HistoryTensors.of(self.histories(chosen), chosen)

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

    def faded(self, half_life: float) -> Dataset:
        """The same events, each worth half as much for every ``half_life`` days before the cut.

        No event that was a sign of interest stops being one.
        """
        ages = (self.cut - pl.col(Columns.TIMESTAMP)) / DAY
        share = ((-ages / half_life) * float(np.log(2.0))).exp().clip(lower_bound=LEAST_SHARE)
        return replace(self, events=self.events.with_columns(pl.col(Columns.VALUE) * share))

    def core(self, k: int) -> Dataset:
        """Only events of users with at least k different items, on items with at least k different users.

        Repeated until nothing changes. It looks at the whole time, the future included, and flatters every
        method: for comparison with papers, not as a forecast.

        Raises
        ------
        InputError
            When nothing is left.
        """
        events = self.events
        while True:
            pairs = events.select(Columns.USER, Columns.ITEM).unique()
            kept = events
            for name in (Columns.USER, Columns.ITEM):
                good = pairs.group_by(name).len().filter(pl.col("len") >= k)[name]
                kept = kept.filter(pl.col(name).is_in(good.implode()))
            if kept.height == events.height:
                break
            events = kept
        if events.height == 0:
            raise InputError(f"The data has no {k}-core", expected="a smaller k", received=str(k))
        return replace(self, events=events)

    def joined(self, later: Dataset) -> Dataset:
        """Join a later part of the same data, as known at the later part's cut."""
        events = pl.concat([self.events, later.events]).sort(Columns.TIMESTAMP, maintain_order=True)
        return replace(self, events=events, cut=max(self.cut, later.cut))

    def texts_of(self, users: IntArray) -> pl.DataFrame:
        """What users (indices) wrote and searched for, by user and time; columns as ``texts``."""
        return self.texts.filter(pl.col(Columns.USER).is_in(users)).sort(
            Columns.USER, Columns.TIMESTAMP, maintain_order=True
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of items, users, events, their weights, the cut, and what else is known."""
        digest = hashlib.sha256(self.catalogue.fingerprint.encode())
        for name in (Columns.USER, Columns.ITEM, Columns.TIMESTAMP, Columns.VALUE):
            digest.update(self.events[name].to_numpy().tobytes())
        digest.update(self.events[Columns.EVENT].to_physical().to_numpy().tobytes())
        facts = [self.cut, self.event_types, sorted(self.event_weights.items())]
        digest.update(json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace"))
        for frame in (self.users, self.texts, self.triples):
            digest.update(frame.write_ndjson().encode("utf-8", "replace") if frame.height else b"")
        for name in sorted(self.vectors):
            digest.update(name.encode() + self.vectors[name].tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write catalogue, users and events as Parquet, the rest as JSON, into an existing folder.

        The problem report is not kept.
        """
        self.catalogue.save(folder)
        write_frame(folder / "users.parquet", self.users)
        write_frame(folder / "events.parquet", self.events.with_columns(pl.col(AS_TEXT).cast(pl.String)))
        write_frame(folder / "texts.parquet", self.texts)
        write_frame(folder / "triples.parquet", self.triples)
        if self.vectors:
            write_bytes(folder / "vectors.safetensors", to_safetensors(dict(self.vectors)))
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
        vectors = folder / "vectors.safetensors"
        return cls(
            Catalogue.load(folder, version=version),
            pl.read_parquet(folder / "users.parquet"),
            coded(events, types),
            cut,
            types,
            has_times=has_times,
            event_weights=weights,
            texts=pl.read_parquet(folder / "texts.parquet"),
            vectors=load_file(vectors) if vectors.exists() else {},
            triples=pl.read_parquet(folder / "triples.parquet"),
        )


def _damaged(folder: Path, expected: str, received: str) -> ArtifactError:
    message = f"{folder / 'dataset.json'} is damaged"
    return ArtifactError(message, expected=expected, received=received, hint="Save the data again.")
