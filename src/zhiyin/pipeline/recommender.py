"""The stages composed: fit, recommend, explain, describe, save, load."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from zhiyin.artifacts import read_version, write_version
from zhiyin.config import Recipe, load_recipe, parse
from zhiyin.data import Catalogue, Dataset
from zhiyin.errors import InputError, NotFittedError
from zhiyin.interest import Background, Description, describe, gather_evidence
from zhiyin.lm import load_language_model
from zhiyin.pipeline.building import fit_components, update_components
from zhiyin.pipeline.explain import Explanation, explain_items
from zhiyin.pipeline.recommendations import Recommendations
from zhiyin.pipeline.saving import load_components, save_components
from zhiyin.pipeline.stages import Components, Trace, run_stages
from zhiyin.types import BoolArray, IntArray, LanguageModel, Queries, Ragged

__all__ = ["Recommender"]


class Recommender:
    """A recommender made from a recipe.

    Examples
    --------
    >>> import zhiyin as zy
    >>> split = zy.split_by_time(zy.load_bundled("online-retail"))
    >>> plain = {"stages.retrieve.method": "recent-popular", "stages.rank.method": "none",
    ...          "stages.diversify.method": "none", "stages.explore.method": "none"}
    >>> recommender = zy.Recommender.from_recipe("retail", plain).fit(split.train, split.valid)
    >>> len(recommender.recommend(["17850"], k=3).items[0])
    3
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._known: Dataset | None = None
        self._parts: Components | None = None
        self._background: Background | None = None
        self._model: LanguageModel | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_recipe(cls, name: str, overrides: Mapping[str, Any] | None = None) -> Self:
        """From a recipe's name or TOML file; ``overrides`` by dotted key win.

        Raises
        ------
        ConfigError
            When there is no such recipe or a value is wrong.
        """
        return cls(load_recipe(name, overrides))

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Learn from events; ``valid`` (later than ``train``) is needed to learn blends.

        Raises
        ------
        ZhiyinError
            When the data does not suit a stage.
        """
        self._parts = fit_components(self.recipe, train, valid)
        self._know(train if valid is None else train.joined(valid))
        return self

    @property
    def dataset(self) -> Dataset:
        """All events the recommender knows.

        Raises
        ------
        NotFittedError
        """
        if self._known is None:
            raise NotFittedError("Recommender")
        return self._known

    @property
    def components(self) -> Components:
        """The fitted stages.

        Raises
        ------
        NotFittedError
        """
        if self._parts is None:
            raise NotFittedError("Recommender")
        return self._parts

    def recommend(
        self,
        users: Sequence[str | None],
        *,
        text: str | Sequence[str | None] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        allowed: Sequence[str] | None = None,
        keys: Sequence[int] | None = None,
        reasons: bool = False,
    ) -> Recommendations:
        """Slates for users.

        Parameters
        ----------
        users : sequence of str or None
            External ids; unknown ones and None (no user) are welcome.
        text : str or sequence
            What the user wants, in words, for all or one a user; fused with the history.
        k : int
            Places, >= 1.
        allowed : sequence of str
            Only these items may be shown; None: all.
        keys : sequence of int
            Request keys, 0 to 2**64 - 1: the same key gives the same draws. Default: fresh ones, so
            that each request explores anew.
        reasons : bool
            Also say why, where a reason passes its deletion test.

        Raises
        ------
        InputError
            When an argument has the wrong form.
        """
        queries = self.queries(users, text=text, exclude_seen=exclude_seen, allowed=allowed, keys=keys)
        trace = self.run(queries, k=k)
        why: tuple[tuple[str, ...], ...] = ()
        if reasons:
            why = self.reasons(queries, trace.slates.items)
        return Recommendations(
            queries.users, trace.slates, self.dataset.catalogue, why, trace.notes, trace.milliseconds
        )

    def queries(
        self,
        users: Sequence[str | None],
        *,
        text: str | Sequence[str | None] | None = None,
        exclude_seen: bool = True,
        allowed: Sequence[str] | None = None,
        keys: Sequence[int] | None = None,
    ) -> Queries:
        """The requests of ``recommend`` as the stages read them."""
        names = _names(users)
        texts = (text,) * len(names) if text is None or isinstance(text, str) else tuple(text)
        if len(texts) != len(names):
            raise InputError("One text a user", expected=f"{len(names)} texts", received=str(len(texts)))
        return Queries(
            users=names,
            histories=self.dataset.histories(self.dataset.index_of_users(names)),
            keys=_keys(keys, len(names)),
            texts=texts,
            times=np.full(len(names), self.dataset.cut),
            allowed=None if allowed is None else self._mask(allowed),
            exclude_seen=exclude_seen,
        )

    def run(self, queries: Queries, *, k: int = 10) -> Trace:
        """Run the stages on prepared queries and keep what each made of them."""
        if k < 1:
            raise InputError("k is too small", expected="k >= 1", received=str(k))
        n = max(self.recipe.candidates, k)
        return run_stages(self.components, queries, n=n, k=k, seed=self.recipe.seed)

    def reasons(self, queries: Queries, items: IntArray) -> tuple[tuple[str, ...], ...]:
        """Why each shown item [U, k] is there, one tuple a user; "" where no reason passes its test."""
        return tuple(
            tuple(one.reason for one in self._explain(queries.take([row]), items[row]))
            for row in range(len(queries))
        )

    def explain(self, user: str | None, item: str, *, text: str | None = None) -> Explanation:
        """Why an item stands where it does for a user.

        Raises
        ------
        InputError
            When the item is unknown.
        """
        index = self.dataset.catalogue.index_of([item])
        if index[0] < 0:
            raise InputError(f"No item has the id {item!r}", expected="an id of the catalogue", received=item)
        return self._explain(self.queries([user], text=text), index)[0]

    def describe(self, user: str, *, history: Ragged | None = None, now: float | None = None) -> Description:
        """A user in words, every claim with the items behind it; empty for an unknown user.

        Parameters
        ----------
        user : str
        history : Ragged
            One row, where more is known of the user than the recommender was fitted on.
        now : float
            Seconds; default: the end of what the recommender was fitted on.
        """
        dataset = self.dataset
        _names([user])
        with self._lock:
            if self._background is None:
                self._background = Background(dataset.catalogue)
        if history is None:
            history = dataset.histories(dataset.index_of_users([user]))
        moment = dataset.cut if now is None else now
        evidence = gather_evidence(history, self._background, user=user, now=moment)
        if not self.recipe.stages.describe.active:
            return Description(user, (), evidence, "none")
        return describe(evidence, language=self.recipe.language, model=self._writer())

    def with_catalogue(self, catalogue: Catalogue, changed: IntArray) -> Self:
        """A snapshot that knows a newer catalogue; nothing is fitted again.

        Parameters
        ----------
        catalogue : Catalogue
            The known items at the same indices, and perhaps more behind them.
        changed : int32 [c]
            Indices of items that are new or read differently.
        """
        snapshot = type(self)(self.recipe)
        snapshot._parts = update_components(self.components, catalogue, changed, encoder=self.recipe.encoder)
        snapshot._know(replace(self.dataset, catalogue=catalogue))
        snapshot._model = self._model
        return snapshot

    def save(self, folder: str | Path, *, current: bool = True) -> str:
        """Write everything into a folder as a new version; the folder is whole or as before.

        Parameters
        ----------
        folder : str or Path
        current : bool
            Whether the new version becomes the one that ``load`` reads.

        Returns
        -------
        str
            The version's name.

        Raises
        ------
        ArtifactError
            When it cannot be written.
        """
        recipe = self.recipe.model_dump(mode="json")
        with write_version(
            Path(folder),
            kind="recommender",
            config=recipe,
            dataset=self.dataset.fingerprint,
            seed=self.recipe.seed,
            current=current,
        ) as draft:
            self.dataset.save(draft.path)
            save_components(self.components, draft.path)
        return draft.name

    @classmethod
    def load(cls, folder: str | Path, *, version: str | None = None) -> Self:
        """Read what ``save`` wrote; the current version unless another one is named.

        Raises
        ------
        ArtifactError
            When the folder is missing or damaged; the file is named.
        """
        path, manifest = read_version(Path(folder), kind="recommender", name=version)
        recommender = cls(parse(Recipe, manifest.config, where=f"The manifest of {folder}"))
        recommender._parts = load_components(recommender.recipe, path)
        recommender._know(Dataset.load(path))
        return recommender

    def _know(self, dataset: Dataset) -> None:
        self._known, self._background = dataset, None

    def _mask(self, allowed: Sequence[str]) -> BoolArray:
        index = self.dataset.catalogue.index_of(allowed)
        if (index < 0).any():
            missing = allowed[int(np.flatnonzero(index < 0)[0])]
            raise InputError(f"No item has the id {missing!r}", expected="ids of the catalogue")
        mask = np.zeros(self.dataset.n_items, dtype=bool)
        mask[index] = True
        return mask

    def _explain(self, query: Queries, items: np.ndarray) -> list[Explanation]:
        return explain_items(self.components, self.dataset.catalogue, query, items, seed=self.recipe.seed)

    def _writer(self) -> LanguageModel | None:
        stage = self.recipe.stages.describe
        if stage.method != "language-model":
            return None
        # Held here: a loaded model lives as long as somebody holds it.
        if self._model is None:
            self._model = load_language_model(stage.params.get("model", "smollm2-135m"))
        return self._model


def _names(users: Sequence[str | None]) -> tuple[str | None, ...]:
    if isinstance(users, str):
        raise InputError("users is one string", expected="a list of ids", hint=f"Write [{users!r}].")
    names = tuple(users)
    odd = [name for name in names if name is not None and not isinstance(name, str)]
    if odd:
        raise InputError(
            "A user id is not a string",
            expected="ids as in the events, or None",
            received=repr(odd[0]),
            hint=f"Write {str(odd[0])!r}.",
        )
    return names


def _keys(keys: Sequence[int] | None, n: int) -> npt.NDArray[np.uint64]:
    if keys is None:
        return np.array([secrets.randbits(64) for _ in range(n)], dtype=np.uint64)
    if len(keys) != n or any(not 0 <= int(key) < 2**64 for key in keys):
        raise InputError(
            "One key a user", expected=f"{n} numbers of 0 to 2**64 - 1", received=str(list(keys)[:5])
        )
    return np.array([int(key) for key in keys], dtype=np.uint64)
