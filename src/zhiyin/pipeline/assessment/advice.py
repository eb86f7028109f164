"""Which methods the data can carry, and whether a language model would pay; knows facts and the probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zhiyin.pipeline.assessment.drift import Drift
from zhiyin.pipeline.assessment.facts import Facts
from zhiyin.pipeline.assessment.probe import Probe
from zhiyin.pipeline.assessment.texts import TextFacts

__all__ = ["Method", "Recipe", "judge_language_model", "judge_methods", "suggest_recipe"]

Verdict = Literal["yes", "weak", "no"]
EASE_ITEMS = 20_000
COLD = 0.15  # share of what must be found that is new, from which on texts matter
COLLABORATIVE = "collaborative (item-knn, ALS, BPR)"
LIKED = 0.65  # share of the scale from which on somebody likes
OFTEN = 20  # events of the middle item, from which on behaviour says enough
POSITIVES = 1_000


@dataclass(frozen=True)
class Method:
    """A family of methods, whether the data carries it, and why."""

    name: str
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Recipe:
    """A recipe that comes with zhiyin, and the settings to change: dotted key -> value."""

    name: str
    settings: dict[str, object]
    reasons: tuple[str, ...]


def judge_methods(facts: Facts, texts: TextFacts, drift: Drift | None, probe: Probe | None) -> list[Method]:
    """Each family with its verdict; where rules were measured, what they found counts most."""
    if probe is not None and probe.silent:
        new = f"{probe.cold_truth_share:.0%} of what must be found is new"
        why = f"finds no more than chance on the newest events: {new}"
        behaviour = [Method(name, "no", why) for name in ("popular, recent-popular", COLLABORATIVE, "EASE")]
    else:
        behaviour = [_popularity(facts, drift), _collaborative(facts), _ease(facts)]
    return [
        *behaviour,
        _ratings(facts),
        _sequential(facts),
        _semantic(facts, texts),
        _tuning(facts, texts),
        _off_policy(),
        _knowledge(facts),
    ]


def _popularity(facts: Facts, drift: Drift | None) -> Method:
    if facts.days is None:
        return Method("popular", "yes", "always; recent-popular needs times")
    season = ", and fashions change: prefer recent-popular" if drift is not None and drift.strong else ""
    return Method("popular, recent-popular", "yes", f"always{season}")


def _collaborative(facts: Facts) -> Method:
    name, middle = COLLABORATIVE, facts.events_per_user[1]
    known = f"{facts.known_item_share:.0%} of the events on items of at least 5 users"
    if facts.users < 50 or facts.known_item_share < 0.2:
        return Method(name, "no", f"{facts.users} users; {known}")
    if middle < 3 or facts.known_item_share < 0.6:
        return Method(name, "weak", f"half of the users have {middle:.0f} events or fewer; {known}")
    return Method(name, "yes", f"{middle:.0f} events for the middle user; {known}")


def _ease(facts: Facts) -> Method:
    need = f"{facts.items_listed:,} items need {facts.items_listed**2 * 8 / 2**30:.1f} GB of memory"
    if facts.items_listed > EASE_ITEMS:
        return Method("EASE", "no", need)
    return Method("EASE", "yes" if facts.known_item_share >= 0.2 else "weak", need)


def _ratings(facts: Facts) -> Method:
    if not facts.rated:
        return Method("rating prediction", "no", "events carry no values of several levels")
    return Method("rating prediction", "yes", f"values from {facts.values[0]:g} to {facts.values[-1]:g}")


def _sequential(facts: Facts) -> Method:
    name, middle = "sequential (next item)", facts.events_per_user[1]
    if facts.days is None:
        return Method(name, "no", "no times")
    if facts.tied_share > 0.5:
        why = f"{facts.tied_share:.0%} of the events have no order among themselves: next basket instead"
        return Method(name, "weak", why)
    return Method(name, "yes" if middle >= 5 else "weak", f"{middle:.0f} events for the middle user")


def _semantic(facts: Facts, texts: TextFacts) -> Method:
    name = "semantic, lexical"
    if not texts.telling:
        why = f"{texts.titled_share:.0%} of the items have a title, of {texts.words:.0f} telling words"
        return Method(name, "no", why)
    share = facts.cold_item_share
    cold = "" if share is None else f"; {share:.1%} of the newest events on new items"
    return Method(name, "yes", f"titles of {texts.words:.0f} telling words in {texts.main_language}{cold}")


def _tuning(facts: Facts, texts: TextFacts) -> Method:
    name, learnable = "language-model tuning", int(facts.users * min(facts.events_per_user[1] / 3, 1.0))
    if not texts.telling:
        return Method(name, "no", "the titles say too little")
    if learnable < POSITIVES:
        why = f"about {learnable:,} users with a history; {POSITIVES:,} are a start"
        return Method(name, "weak", why)
    return Method(name, "yes", f"about {learnable:,} users with a history, and titles that say something")


def _off_policy() -> Method:
    why = "an event log does not say what was shown and with which probability; zhiyin serve logs both"
    return Method("off-policy evaluation, bandits", "no", why)


def _knowledge(facts: Facts) -> Method:
    if facts.triples:
        return Method("knowledge graph", "yes", f"{facts.triples:,} triples")
    return Method("knowledge graph", "no", "no triples were given")


def judge_language_model(facts: Facts, texts: TextFacts, probe: Probe | None) -> Method:
    """Whether ranking with a language model can pay, from what can be known before training one.

    The rule is ours, from measurements on few data sets (docs/experiments.md): a language model knows
    what titles mean, so it helps where behaviour is silent, and adds little where every item has been
    taken often.
    """
    name, middle = "language model as a ranker", facts.events_per_item[1]
    if not texts.telling:
        why = f"titles have {texts.words:.0f} words that say something: nothing to read"
        return Method(name, "no", why)
    if probe is None:
        return Method(name, "weak", "nothing can be held out, so nobody could tell")
    new = f"{probe.cold_truth_share:.1%} of what must be found is new"
    if probe.cold_truth_share >= COLD:
        return Method(name, "yes", f"{new}: behaviour is silent there, titles speak")
    if middle >= OFTEN:
        why = f"{new}, and the middle item has {middle:.0f} events: behaviour says it all"
        return Method(name, "no", why)
    return Method(name, "weak", f"{new}; its weight is learned, and zero is legitimate")


def suggest_recipe(facts: Facts, texts: TextFacts, methods: list[Method], model: Method) -> Recipe:
    """The retail recipe with what this data asks for changed."""
    verdicts = {method.name: method.verdict for method in methods}
    settings: dict[str, object] = {}
    reasons = []
    if model.verdict == "no":
        settings["stages.rank.method"] = "none"
        reasons.append(f"no language model: {model.why}")
    if texts.main_language == "zh":
        settings["language"] = "zh"
        reasons.append("titles are in Chinese")
    if verdicts.get("EASE") == "no":
        reasons.append("take EASE out of the members: the catalogue is too large")
    if len(facts.event_types) > 1:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in list(facts.event_types.items())[:4])
        reasons.append(f"event types ({kinds}): say in event_weights what each means, 0 for no interest")
    if facts.rated:
        reasons.append(_threshold(facts, settings))
    return Recipe("retail", settings, tuple(reasons))


def _threshold(facts: Facts, settings: dict[str, object]) -> str:
    """From which value on an event is a sign of interest; ``settings`` gets it."""
    low, high = facts.values[0], facts.values[-1]
    if low <= 0:
        return f"values from {low:g} to {high:g}: those of 0 or less are no sign of interest already"
    least = next(value for value in facts.values if value >= low + LIKED * (high - low))
    settings["cleaning"] = {"value-range": {"value_from": least}}
    return f"values from {low:g} to {high:g}: from {least:g} on a sign of interest, lower ones set aside"
