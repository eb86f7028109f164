"""Names of components, mapped to dotted paths and resolved on first use; imports no component.

Other people's components join through entry points of the group ``zhiyin.<kind>s``
(``zhiyin.retrievers``, ``zhiyin.rankers``, …), without a line changed here.
"""

from __future__ import annotations

import difflib
import importlib
from functools import lru_cache
from importlib import metadata
from typing import Any

from zhiyin.errors import ConfigError, InputError

__all__ = ["KINDS", "names", "register", "resolve"]

_COMPONENTS: dict[str, dict[str, str]] = {
    # In the order in which they run.
    "cleaner": {
        "mojibake": "zhiyin.data.cleaning.mojibake:Mojibake",
        "unseen-characters": "zhiyin.data.cleaning.unseen_characters:UnseenCharacters",
        "unicode": "zhiyin.data.cleaning.unicode:Unicode",
        "impossible-values": "zhiyin.data.cleaning.impossible_values:ImpossibleValues",
        "time-range": "zhiyin.data.cleaning.time_range:TimeRange",
        "value-range": "zhiyin.data.cleaning.value_range:ValueRange",
        "returns": "zhiyin.data.cleaning.returns:Returns",
        "inhuman-rates": "zhiyin.data.cleaning.inhuman_rates:InhumanRates",
        "bots": "zhiyin.data.cleaning.bots:Bots",
        "duplicates": "zhiyin.data.cleaning.duplicates:Duplicates",
        "near-duplicate-texts": "zhiyin.data.cleaning.near_duplicates:NearDuplicateTexts",
        "spam-texts": "zhiyin.data.cleaning.spam:SpamTexts",
    },
    "retriever": {
        "random": "zhiyin.retrieve.random:RandomRetriever",
        "popular": "zhiyin.retrieve.popular:PopularRetriever",
        "recent-popular": "zhiyin.retrieve.popular:RecentPopularRetriever",
        "user-knn": "zhiyin.retrieve.user_knn:UserKNNRetriever",
        "item-knn": "zhiyin.retrieve.item_knn:ItemKNNRetriever",
        "transitions": "zhiyin.retrieve.transitions:TransitionRetriever",
        "als": "zhiyin.retrieve.als:ALSRetriever",
        "bpr": "zhiyin.retrieve.bpr:BPRRetriever",
        "matrix-factorization": "zhiyin.retrieve.matrix_factorization:MatrixFactorization",
        "linear-towers": "zhiyin.retrieve.linear_towers:LinearTowerRetriever",
        "ease": "zhiyin.retrieve.ease:EASERetriever",
        "bm25": "zhiyin.retrieve.bm25:BM25Retriever",
        "semantic": "zhiyin.retrieve.semantic:SemanticRetriever",
        "vectors": "zhiyin.retrieve.vectors:VectorRetriever",
        "recommender-model": "zhiyin.retrieve.neural.recommender_model:RecommenderModel",
        "ncf": "zhiyin.retrieve.neural.ncf:NCFRetriever",
        "lightgcn": "zhiyin.retrieve.neural.lightgcn:LightGCNRetriever",
        "two-tower": "zhiyin.retrieve.neural.two_tower:TwoTowerRetriever",
        "sasrec": "zhiyin.retrieve.neural.sasrec:SASRecRetriever",
        "graph": "zhiyin.retrieve.graph:GraphRetriever",
        "fusion": "zhiyin.retrieve.fusion:FusionRetriever",
        "blend": "zhiyin.retrieve.blend:BlendRetriever",
    },
    "ranker": {
        "language-model": "zhiyin.rank.language_model:LanguageModelRanker",
        "behaviour": "zhiyin.rank.behaviour_ranker:BehaviourRanker",
    },
    "tuner": {
        "lora": "zhiyin.lm.tuning.lora:LoRATuner",
        "dora": "zhiyin.lm.tuning.dora:DoRATuner",
        "full": "zhiyin.lm.tuning.full:FullTuner",
    },
    "diversifier": {"embedding": "zhiyin.diversify.embedding:EmbeddingDiversifier"},
    "policy": {
        "greedy": "zhiyin.explore.epsilon_greedy:GreedyPolicy",
        "epsilon-greedy": "zhiyin.explore.epsilon_greedy:EpsilonGreedyPolicy",
    },
}
KINDS: tuple[str, ...] = tuple(_COMPONENTS)


def _table(kind: str) -> dict[str, str]:
    if kind not in _COMPONENTS:
        raise InputError(f"No such kind of component: {kind!r}", expected=", ".join(KINDS), received=kind)
    return {**_theirs(kind), **_COMPONENTS[kind]}


@lru_cache
def _theirs(kind: str) -> dict[str, str]:
    """What other people's packages bring; looked up once, because that reads every package's metadata."""
    return {point.name: point.value for point in metadata.entry_points(group=f"zhiyin.{kind}s")}


def names(kind: str) -> tuple[str, ...]:
    """The registered names of a kind, as listed; other people's first.

    Examples
    --------
    >>> "popular" in names("retriever")
    True
    """
    return tuple(_table(kind))


def register(kind: str, name: str, path: str) -> None:
    """Add a component of this process: ``path`` is "package.module:Class".

    Raises
    ------
    ConfigError
        When the name is taken by another path.
    """
    taken = _table(kind).get(name)
    if taken is not None and taken != path:
        raise ConfigError(f"The {kind} {name!r} exists already", expected="a free name", received=taken)
    _COMPONENTS[kind][name] = path


def resolve(kind: str, name: str) -> type[Any]:
    """The class registered under ``name``.

    Raises
    ------
    ConfigError
        When there is none; the hint names the nearest one.
    """
    table = _table(kind)
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Use one of: {', '.join(sorted(table))}."
        raise ConfigError(
            f"No {kind} is called {name!r}", expected=", ".join(sorted(table)), received=name, hint=hint
        )
    module, _, attribute = table[name].partition(":")
    component = getattr(importlib.import_module(module), attribute)
    if not isinstance(component, type):
        raise ConfigError(f"The {kind} {name!r} is not a class", expected="a class", received=table[name])
    return component
