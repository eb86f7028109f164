"""A new model version from what the store has learned, judged beside the one that answers now.

The comparison uses only events that neither of the two was fitted on: the candidate is fitted on what
is older, and the current version knows nothing after its own cut. What goes live afterwards is the
same recipe fitted on everything.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zhiyin.artifacts import point_to, read_version, version_names
from zhiyin.data import Columns, Dataset, Split, cut_by_time
from zhiyin.errors import InputError, StoreError
from zhiyin.logs import get_logger
from zhiyin.pipeline.comparison import compare
from zhiyin.pipeline.recommender import Recommender
from zhiyin.store import ModelVersion, Store

__all__ = ["RefitReport", "dataset_of", "refit", "roll_back"]

log = get_logger("pipeline")
NEWEST = 0.1
LEAST_USERS = 30
K = 10


@dataclass(frozen=True)
class RefitReport:
    """What a refit did.

    ``comparison``: the evaluation table as plain values, None where too few users have new events;
    ``verdict``: why the version was promoted or not.
    """

    version: str
    previous: str | None
    promoted: bool
    verdict: str
    events: int
    users: int
    items: int
    comparison: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def dataset_of(store: Store, event_weights: Mapping[str, float] | None = None) -> Dataset:
    """All that the store knows, items in the order of their numbers.

    Raises
    ------
    DataError
        When there are no events.
    """
    items, users, events = store.frames()
    return Dataset.from_frames(events, items.drop("hidden"), users, event_weights=event_weights)


def refit(
    folder: Path,
    store: Store,
    *,
    overrides: Mapping[str, Any] | None = None,
    promote: bool | None = None,
) -> RefitReport:
    """Make a version from the store's events, compare it, and let it answer unless it is worse.

    Parameters
    ----------
    folder : Path
        Where the versions lie.
    store : Store
    overrides : Mapping
        Changes to the current version's recipe, by dotted key.
    promote : bool or None
        None: unless it is significantly worse than the current version; True: in any case; False: never.

    Raises
    ------
    ZhiyinError
        When the store holds too little, or nothing can be written; the current version goes on.
    """
    previous = store.current_version()
    current = Recommender.load(folder, version=previous)
    recipe = current.recipe.changed(overrides or {})
    dataset = dataset_of(store, recipe.event_weights or current.dataset.event_weights)
    comparison = _comparison(current, Recommender(recipe), dataset)
    new = Recommender(recipe)
    if dataset.has_times:
        new.fit(*cut_by_time(dataset, NEWEST))
    else:
        new.fit(dataset)
    name = new.save(folder, current=False)
    worse, verdict = _verdict(comparison)
    if name == previous:
        worse, verdict = False, "the same as the current version: nothing has changed"
    store.register_version(ModelVersion(name, time.time(), dataset.fingerprint, comparison or {}))
    promoted = not worse if promote is None else promote
    if promoted:
        store.promote(name, reason="forced: " + verdict if promote else verdict)
        point_to(folder, name)
    log.info("refitted", version=name, promoted=promoted, verdict=verdict)
    return RefitReport(
        name,
        previous,
        promoted,
        verdict,
        dataset.n_events,
        dataset.n_users,
        dataset.n_items,
        comparison,
    )


def roll_back(folder: Path, store: Store) -> str:
    """Let the version before the current one answer again; its name.

    Raises
    ------
    ZhiyinError
        When there is none, or its files are gone or damaged; then nothing changes.
    """
    name = store.previous_version()
    if name not in version_names(folder):
        raise StoreError(
            f"The files of version {name} are gone",
            expected=f"a folder {folder / 'versions' / name}",
            hint="Make a new version with: zhiyin refit",
        )
    read_version(folder, kind="recommender", name=name)
    store.promote(name, reason="rolled back")
    point_to(folder, name)
    return name


def _comparison(current: Recommender, candidate: Recommender, dataset: Dataset) -> dict[str, Any] | None:
    """Both on events that neither has seen, beside the trivial rules; None where there are too few."""
    if not dataset.has_times:
        return None
    before, _ = cut_by_time(dataset, NEWEST)
    cut = max(before.cut, current.dataset.cut)
    late = dataset.events[Columns.TIMESTAMP] >= cut
    test = dataset.where(late, cut=dataset.cut)
    if len(test.active_users) < LEAST_USERS:
        return None
    try:
        train, valid = cut_by_time(dataset.where(~late, cut=cut), NEWEST)
    except InputError:
        return None
    candidate.fit(train, valid)
    entries = {"current": current, "new": candidate}
    table = compare(
        entries,
        Split(train, valid, test, global_time=True),
        k=K,
        baseline="current",
        encoder=current.recipe.encoder,
        seed=current.recipe.seed,
    )
    return table.to_dict()


def _verdict(comparison: dict[str, Any] | None) -> tuple[bool, str]:
    """Whether the new version is significantly worse, and why it is judged so."""
    if comparison is None:
        return False, f"not compared: fewer than {LEAST_USERS} users have events that are new to both"
    gain = comparison["differences"]["new"][f"ndcg@{K}"]
    shown = f"NDCG@{K} {gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}], {gain['n']} users"
    if gain["high"] < 0:
        return True, f"worse than the current version: {shown}"
    if gain["low"] > 0:
        return False, f"better than the current version: {shown}"
    return False, f"not worse than the current version: {shown}"
