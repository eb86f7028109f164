"""All parts of an assessment in one place, in words and as plain values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from zhiyin.data import Columns, Dataset
from zhiyin.data.cleaning import clean, rule_names
from zhiyin.data.cleaning.base import TableKind
from zhiyin.pipeline.assessment.advice import (
    Method,
    Recipe,
    judge_language_model,
    judge_methods,
    suggest_recipe,
)
from zhiyin.pipeline.assessment.drift import Drift, measure_drift
from zhiyin.pipeline.assessment.facts import Facts, gather_facts
from zhiyin.pipeline.assessment.probe import Probe, probe
from zhiyin.pipeline.assessment.risks import Risk, find_risks
from zhiyin.pipeline.assessment.texts import TextFacts, gather_text_facts

__all__ = ["Assessment", "assess"]


@dataclass(frozen=True)
class Assessment:
    """What a data set supports.

    ``rules``: rule of cleaning -> rows that it touched; ``would``: rows that those switched off would.
    """

    facts: Facts
    texts: TextFacts
    drift: Drift | None
    risks: tuple[Risk, ...]
    rules: Mapping[str, int]
    would: Mapping[str, int]
    probe: Probe | None
    methods: tuple[Method, ...]
    language_model: Method
    recipe: Recipe
    problems: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give everything, ready for JSON."""
        found = asdict(self)
        if self.probe is not None:
            found["probe"]["detectable"] = (
                None if math.isnan(self.probe.detectable) else self.probe.detectable
            )
            found["probe"]["ndcg"] = {name: one.to_dict() for name, one in self.probe.ndcg.items()}
        return found

    def summary(self) -> str:
        """Put it in words, for a terminal."""
        return "\n\n".join(
            f"{heading}\n" + "\n".join(f"  {line}" for line in lines)
            for heading, lines in self.sections()
            if lines
        )

    def sections(self) -> list[tuple[str, list[str]]]:
        """Headings and lines."""
        model = self.language_model
        return [
            ("Data", _data_lines(self.facts, self.texts)),
            ("Drift", _drift_lines(self.drift)),
            ("Cleaning", _cleaning_lines(self)),
            ("Risks", [f"{one.name}: {one.found}. {one.remedy}" for one in self.risks] or [NO_RISK]),
            ("Simple rules on this data", _probe_lines(self.probe)),
            ("What the data carries", [f"{one.verdict:4} {one.name}: {one.why}" for one in self.methods]),
            ("Would a language model pay?", [f"{WORDS[model.verdict]}: {model.why}"]),
            ("Recipe", _recipe_lines(self.recipe)),
        ]


NO_RISK = "none of those we look for"
WORDS = {"yes": "It may", "weak": "Not certain", "no": "Hardly"}


def assess(dataset: Dataset, *, k: int = 10, seed: int = 7) -> Assessment:
    """Look at a data set before anything is trained.

    Parameters
    ----------
    dataset : Dataset
        As it was read and cleaned.
    k : int
        Length of the lists of the probe.
    seed : int
        Of samples, shuffles and intervals.
    """
    facts, texts = gather_facts(dataset), gather_text_facts(dataset.catalogue, seed=seed)
    drift = measure_drift(dataset, seed=seed)
    found = probe(dataset, k=k, seed=seed)
    methods = judge_methods(facts, texts, drift, found)
    model = judge_language_model(facts, texts, found)
    return Assessment(
        facts=facts,
        texts=texts,
        drift=drift,
        risks=tuple(find_risks(dataset, facts, texts)),
        rules=dict(dataset.report.rules),
        would=_would(dataset),
        probe=found,
        methods=tuple(methods),
        language_model=model,
        recipe=suggest_recipe(facts, texts, methods, model),
        problems=dataset.report.to_dict(),
    )


def _would(dataset: Dataset) -> dict[str, int]:
    """Rows that each rule that did not run would touch."""
    renamed = {Columns.USER: Columns.USER_ID, Columns.ITEM: Columns.ITEM_ID}
    timeless = [] if dataset.has_times else [Columns.TIMESTAMP]
    tables: dict[TableKind, pl.DataFrame] = {
        "events": dataset.events.rename(renamed).drop(timeless),
        "items": dataset.catalogue.frame,
        "texts": dataset.texts.rename(renamed).drop(timeless),
    }
    would: dict[str, int] = {}
    for table, frame in tables.items():
        ran = dataset.report.rules
        switches = {name: name not in ran and not default for name, default in rule_names(table).items()}
        if frame.height:
            _, report = clean(frame, table, switches)
            for name, count in report.rules.items():
                would[name] = would.get(name, 0) + count
    return would


def _cleaning_lines(found: Assessment) -> list[str]:
    applied = [f"{name}: {count:,} rows" for name, count in found.rules.items() if count]
    off = [f"{name} is off, would touch {count:,} rows" for name, count in found.would.items() if count]
    return [*applied, *off]


def _data_lines(facts: Facts, texts: TextFacts) -> list[str]:
    span = "no times" if facts.days is None else f"{facts.days:,.0f} days"
    cold = facts.cold_item_share
    languages = ", ".join(f"{one} {share:.0%}" for one, share in list(texts.languages.items())[:3])
    types = ", ".join(f"{kind} {count:,}" for kind, count in list(facts.event_types.items())[:6])
    listed = f" ({facts.items_listed:,} listed)" if facts.items_listed != facts.items else ""
    lines = [
        f"{facts.events:,} events of {facts.users:,} users on {facts.items:,} items{listed}, {span}",
        f"events a user: {_quantiles(facts.events_per_user)}; "
        f"an item: {_quantiles(facts.events_per_item)} (10 %, 50 %, 90 %)",
        f"{facts.density:.3%} of the pairs seen; 1 % of the items have {facts.top_share:.0%} of the events",
        f"event types: {types}",
        f"titles: {texts.titled_share:.0%} of the items, {texts.words:.0f} telling words, "
        f"{languages or 'no language'}",
        f"prices: {texts.priced_share:.0%} of the items; attributes: {', '.join(texts.attributes) or 'none'}",
    ]
    if facts.rated:
        lines.append(f"values: {', '.join(f'{value:g}' for value in facts.values[:10])}")
    if facts.events_per_session is not None:
        lines.append(f"{facts.sessions:,} sessions of {facts.events_per_session:.1f} events")
    if cold is not None:
        lines.append(
            f"of the newest tenth {cold:.1%} are on new items, {facts.cold_user_share:.0%} by new users"
        )
    if facts.texts or facts.vectors or facts.triples:
        vectors = ", ".join(facts.vectors) or "no vectors"
        lines.append(f"{facts.texts:,} texts of users; {vectors}; {facts.triples:,} triples")
    return lines


def _quantiles(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:.0f}" for value in values)


def _drift_lines(drift: Drift | None) -> list[str]:
    if drift is None:
        return []
    mean = sum(drift.divergence) / len(drift.divergence)
    verdict = f"what is popular changes {'fast' if drift.strong else 'slowly'}"
    return [f"neighbouring parts differ by {mean:.2f} bits, {drift.chance:.2f} by chance: {verdict}"]


def _probe_lines(found: Probe | None) -> list[str]:
    if found is None:
        return ["the data cannot be split: nothing can be measured on it"]
    lines = [f"split by {found.split}, {found.users:,} users, NDCG@{found.k}:"]
    lines += [f"  {name} {one}" for name, one in found.ndcg.items()]
    if not math.isnan(found.detectable):
        lines.append(f"smallest difference that would probably be seen: {found.detectable:.4f}")
    return [*lines, *([found.warning] if found.warning else [])]


def _recipe_lines(recipe: Recipe) -> list[str]:
    lines = [f"start from {recipe.name!r}"]
    told = [f"--set {name}={json.dumps(value)}" for name, value in recipe.settings.items()]
    return [*lines, *recipe.reasons, *told]
