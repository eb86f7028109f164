"""Checks that stop an evaluation which would know what it asks for, and name the rows.

Each check raises ``LeakError`` with all rows it found, or returns nothing. Kapoor & Narayanan 2023,
"Leakage and the reproducibility crisis in machine-learning-based science", gives the kinds; Ji, Sun,
Zhang & Li 2023, "A critical study on data leakage in recommender system offline evaluation", those of
recommendation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from zhiyin.data import Columns, Dataset, Split, Task
from zhiyin.draws import generator
from zhiyin.errors import InputError, LeakError
from zhiyin.evaluate.hits import find_hits
from zhiyin.text.words import words
from zhiyin.types import FloatArray, IntArray

__all__ = [
    "check_candidates",
    "check_feature_times",
    "check_features",
    "check_fitted",
    "check_split",
    "check_task",
    "check_texts",
]

EVENT = [
    *(pl.col(name) for name in (Columns.USER, Columns.ITEM, Columns.TIMESTAMP)),
    pl.col(Columns.EVENT).cast(pl.String),
]
LEAST = 10
NEARLY = 0.5


def check_split(split: Split) -> None:
    """No event is in two parts, and no part is newer than a later one.

    Under global time nobody's event may be newer than the cut; otherwise each user's own events must be
    in order.

    Raises
    ------
    LeakError
        "duplicates" or "order", with the rows.
    """
    parts = {"train": split.train, "valid": split.valid, "test": split.test}
    for early, late in (("train", "valid"), ("train", "test"), ("valid", "test")):
        _check_duplicates(parts[early], parts[late], early, late)
    known = split.train.joined(split.valid)
    for early, late, first, second in (
        ("train", "valid", split.train, split.valid),
        ("train or valid", "test", known, split.test),
    ):
        _check_order(first, second, early, late, by_user=not split.global_time)


def _check_duplicates(early: Dataset, late: Dataset, first: str, second: str) -> None:
    if not early.has_times:  # without times an event taken twice looks like a copy
        return
    rows = late.events.with_row_index("row").join(early.events.select(EVENT).unique(), on=EVENT, how="semi")
    if rows.height:
        raise LeakError(
            f"{rows.height} events of {second} are in {first} too",
            expected="each event in one part",
            received=f"{rows.height} copies",
            hint="Remove duplicates before you split.",
            problems=_named(late, rows, second),
        )


def _check_order(early: Dataset, late: Dataset, first: str, second: str, *, by_user: bool) -> None:
    time = pl.col(Columns.TIMESTAMP)
    marked = late.events.with_row_index("row")
    if by_user:
        newest = early.events.group_by(Columns.USER).agg(time.max().alias("newest"))
        rows = marked.join(newest, on=Columns.USER, how="left").filter(time < pl.col("newest"))
    else:
        newest_of_all = early.events[Columns.TIMESTAMP].max()
        rows = marked.filter(time < newest_of_all)
    if rows.height:
        whose = "of the same user" if by_user else "of anybody"
        raise LeakError(
            f"{rows.height} events of {second} are older than an event {whose} in {first}",
            expected=f"{second} begins when {first} has ended",
            received=f"{rows.height} events from before",
            hint="Split by time: zhiyin.split_by_time, or per user: zhiyin.split_users_by_time.",
            problems=_named(late, rows, second),
        )


def check_task(task: Task, *, ids: Sequence[str] | None = None) -> None:
    """Nothing that must be predicted is in the history, and the history is older than the question.

    ``ids``: external ids of the items by index, for the message.

    Raises
    ------
    LeakError
        "history", with users and items.
    """
    queries, histories = task.queries, task.queries.histories
    if queries.exclude_seen:
        width = max(int(task.relevant.lengths.max(initial=0)), 1)
        places = np.full((len(queries), width), -1, dtype=np.int32)
        at = np.arange(len(task.relevant.items)) - np.repeat(
            task.relevant.offsets[:-1], task.relevant.lengths
        )
        places[task.relevant.rows, at] = task.relevant.items
        rows, columns = np.nonzero(find_hits(places, histories, width).places)
        if len(rows):
            raise LeakError(
                f"{len(rows)} items that must be predicted are in the history",
                expected="a list may not hold what was seen, so what was seen is no truth",
                received=f"{len(rows)} items",
                hint="Make the task with split.task(...) or held_out_task(...).",
                problems=[
                    f"user {queries.users[row]!r}, item {_item(places[row, column], ids)}"
                    for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
                ],
            )
    if queries.times is not None:
        late = np.flatnonzero(histories.times > queries.times[histories.rows])
        if len(late):
            raise LeakError(
                f"{len(late)} events of the histories are newer than the question",
                expected="histories end when the question is asked",
                received=f"{len(late)} later events",
                problems=[
                    f"user {queries.users[histories.rows[at]]!r}, item {_item(histories.items[at], ids)}"
                    for at in late.tolist()
                ],
            )


def check_candidates(
    items: IntArray,
    times: FloatArray,
    available_from: FloatArray,
    *,
    name: str,
    ids: Sequence[str] | None = None,
    users: Sequence[str | None] | None = None,
) -> None:
    """No list holds an item from the future of its question.

    Parameters
    ----------
    items : int32 [U, n]
        Padded with -1.
    times : float64 [U]
        When each question was asked.
    available_from : float64 [n_items]
        When each item came to be.
    name : str
        What the lists are called.
    ids, users : sequences of str, optional
        External ids of the items by index, and of the users by row, for the message.

    Raises
    ------
    LeakError
        "future", with users and items.
    """
    later = (items >= 0) & (available_from[np.maximum(items, 0)] > times[:, None])
    rows, columns = np.nonzero(later)
    if len(rows):
        raise LeakError(
            f"{name!r} lists {len(rows)} items that did not exist when the question was asked",
            expected="items with available_from <= the time of the question",
            received=f"{len(rows)} places in {len(set(rows.tolist()))} lists",
            hint="Leave out what is not available yet; the catalogue's column is available_from.",
            problems=[
                f"{f'row {row}' if users is None else f'user {users[row]!r}'}, place {column + 1}: "
                f"item {_item(items[row, column], ids)}"
                for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            ],
        )


def check_texts(texts: Sequence[str], labels: npt.ArrayLike) -> None:
    """No word tells the label: in half of the rows of one label or more, and in none of the other.

    Parameters
    ----------
    texts : n texts
        What a model reads, one for each example.
    labels : 0 or 1, [n]

    Raises
    ------
    LeakError
        "text", with the word and the rows. Fewer than ``LEAST`` rows of a label say nothing.
    """
    truth = np.asarray(labels).astype(bool)
    if len(truth) != len(texts):
        raise InputError(
            "texts and labels differ in length", expected=str(len(texts)), received=str(len(truth))
        )
    found = [set(words(text)) for text in texts]
    counts = {
        side: Counter(word for row in np.flatnonzero(truth == side) for word in found[row])
        for side in (True, False)
    }
    for side in (True, False):
        size = int((truth == side).sum())
        if min(size, len(truth) - size) < LEAST:
            continue
        telling = [
            word
            for word, count in counts[side].items()
            if count >= NEARLY * size and counts[not side][word] == 0
        ]
        if telling:
            word = max(telling, key=lambda one: counts[side][one])
            rows = [row for row in range(len(texts)) if word in found[row]]
            raise LeakError(
                f"The word {word!r} tells the label",
                expected="texts without the answer",
                received=f"in {len(rows)} of {size} rows of label {int(side)}, in none of the others",
                hint="Remove the rating or the answer from what the model reads.",
                problems=[f"row {row}: {texts[row][:80]!r}" for row in rows],
            )


def check_fitted(fitted_on: Dataset, split: Split, *, name: str) -> None:
    """What a component was fitted on holds no event of the test.

    User and item are compared, not the time, which another reader may have rounded or shifted: whoever
    was fitted knows a pair of the test more often than train and validation hold it, and has seen it.

    Raises
    ------
    LeakError
        "fitted on test", with the rows.
    """
    key = [Columns.USER_ID, Columns.ITEM_ID]
    test = _external(split.test).with_row_index("row")
    allowed = _pairs(split.train.joined(split.valid), "known")
    seen = _pairs(fitted_on, "seen")
    rows = (
        test.join(seen, on=key, how="inner", maintain_order="left")
        .join(allowed, on=key, how="left", maintain_order="left")
        .filter(pl.col("seen") > pl.col("known").fill_null(0))
    )
    if rows.height:
        raise LeakError(
            f"{name!r} was fitted on {rows.height} events of the test",
            expected="fitted on train (and valid)",
            received=f"{rows.height} of {split.test.n_events} test events",
            hint="Fit with .fit(split.train, split.valid).",
            problems=[
                f"test row {row['row']}: user {row[key[0]]!r}, item {row[key[1]]!r}"
                for row in rows.iter_rows(named=True)
            ],
        )


def _pairs(dataset: Dataset, name: str) -> pl.DataFrame:
    """How often each user took each item."""
    return _external(dataset).group_by(Columns.USER_ID, Columns.ITEM_ID).len(name)


def check_feature_times(features: npt.ArrayLike, examples: npt.ArrayLike, *, name: str = "features") -> None:
    """No feature was computed from what came after its example.

    Parameters
    ----------
    features : float [n]
        Time of the newest event that each example's features have seen; -inf: none.
    examples : float [n]
        Time of each example.
    name : str
        What the features are called.

    Raises
    ------
    LeakError
        "features", with the rows; an event of the very moment counts as after it.
    """
    seen, asked = np.asarray(features, dtype=np.float64), np.asarray(examples, dtype=np.float64)
    if seen.shape != asked.shape:
        raise InputError(
            "features and examples differ in length", expected=str(asked.shape), received=str(seen.shape)
        )
    late = np.flatnonzero(seen >= asked)
    if len(late):
        raise LeakError(
            f"{name} of {len(late)} examples have seen the example or what came after it",
            expected="features from before the example",
            received=f"{len(late)} of {len(asked)} rows",
            hint="Fit features on the train part, or cut each at its example's time.",
            problems=[f"row {row}: seen until {seen[row]}, asked at {asked[row]}" for row in late.tolist()],
        )


def _item(index: int, ids: Sequence[str] | None) -> str:
    return f"index {index}" if ids is None else repr(ids[index])


def _external(dataset: Dataset) -> pl.DataFrame:
    items = np.array(dataset.catalogue.ids, dtype=object)
    users = np.array(dataset.user_ids, dtype=object)
    return pl.DataFrame(
        {
            Columns.USER_ID: pl.Series(users[dataset.events[Columns.USER].to_numpy()], dtype=pl.String),
            Columns.ITEM_ID: pl.Series(items[dataset.events[Columns.ITEM].to_numpy()], dtype=pl.String),
            Columns.TIMESTAMP: dataset.events[Columns.TIMESTAMP],
        }
    )


def _named(dataset: Dataset, rows: pl.DataFrame, part: str) -> list[str]:
    ids, users = dataset.catalogue.ids, dataset.user_ids
    return [
        f"{part} row {row['row']}: user {users[row[Columns.USER]]!r}, item {ids[row[Columns.ITEM]]!r}, "
        f"time {row[Columns.TIMESTAMP]:.0f}"
        for row in rows.iter_rows(named=True)
    ]


def check_features(
    make: Callable[[FloatArray], tuple[Mapping[str, FloatArray], npt.NDArray[np.int64]]],
    times: FloatArray,
    labels: FloatArray,
    *,
    trials: int = 5,
    seed: int = 7,
) -> None:
    """No feature of a row depends on the label of the row itself, of its moment, or of a later one.

    Labels from some moment on are turned round; features of rows up to that moment must stay as they are.

    Parameters
    ----------
    make : callable
        Labels float64 [n] -> features (name -> float64 [m]) and the rows they are of, int64 [m].
    times, labels : float64 [n]
        Labels in [0, 1].
    trials : int
        Moments that are tried, the newest among them.
    seed : int
        Of their choice.

    Raises
    ------
    LeakError
        Naming the features that know what comes, and rows.
    """
    before, rows = make(labels)
    moments = np.unique(times[rows])
    drawn = generator(seed, 0, stream="feature leaks").choice(
        moments, min(trials, len(moments)), replace=False
    )
    wrong: dict[str, int] = {}
    for moment in {float(moments[-1]), *drawn.tolist()}:
        turned = np.where(times >= moment, 1.0 - labels, labels)
        after, again = make(turned)
        if not np.array_equal(rows, again):
            raise LeakError("Which rows have features depends on labels", hint="Choose rows by time.")
        early = times[rows] <= moment
        for name, values in before.items():
            moved = early & ~np.isclose(values, after[name], rtol=1e-9, atol=1e-12, equal_nan=True)
            if moved.any():
                wrong.setdefault(name, int(rows[np.flatnonzero(moved)[0]]))
    if wrong:
        raise LeakError(
            f"{len(wrong)} features know what comes",
            expected="features from rows strictly before",
            received=", ".join(f"{name!r} (row {row})" for name, row in wrong.items()),
            hint="Work each feature out from earlier rows only.",
        )
