"""Four ways to ask a language model about candidates; knows titles, no users and no scores.

``yes-no``: logit of yes minus logit of no after "will this customer buy it?".
``likelihood``: ln p(title | history) - ln p(title | no history), which is the pointwise mutual
information of title and history under the model, so that long or common titles gain nothing.
``letters``: logarithm of the share of an item's letter after "which one will they buy next?"; the list is
shown in several orders, as small models like the first letters whatever stands there.
``timeline``: logit of yes minus logit of no after the history and the title in the short form that models
are tuned on (``timeline.Telling``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Protocol

import numpy as np
from scipy.special import log_softmax

from zhiyin.caches import MemoryCache, content_key
from zhiyin.errors import InputError
from zhiyin.rank.timeline import Telling
from zhiyin.rank.titles import readable
from zhiyin.text import ANSWERS, history_lines, render, split, version
from zhiyin.types import FloatArray, IntArray, LanguageModel

__all__ = [
    "LETTERS",
    "Asking",
    "LettersAsking",
    "LikelihoodAsking",
    "TimelineAsking",
    "YesNoAsking",
    "make_asking",
]


LETTERS = ascii_uppercase + ascii_lowercase


class Asking(Protocol):
    """One way to ask; ``together``: all candidates must be asked about at once."""

    together: bool

    @property
    def version(self) -> str:
        """Changes with the model and the text of the prompts."""
        ...

    def scores(
        self,
        history: Sequence[str],
        titles: Sequence[str],
        wish: str | None,
        liked: Sequence[bool] | None = None,
    ) -> FloatArray:
        """One score a title, float64 [n]; higher: more likely taken.

        ``liked``: of each in the history, where the model was tuned on likes; None: all that was taken.
        """
        ...


class YesNoAsking:
    """Asks "will this customer buy it?", or what the scenario says, in one turn of a chat."""

    together = False

    def __init__(self, model: LanguageModel, language: str, scenario: str = "retail") -> None:
        self.model, self.language, self.scenario = model, language, scenario
        self.version = f"{model.name}|yes-no-{version('will_take', language, scenario=scenario)}"

    def scores(
        self,
        history: Sequence[str],
        titles: Sequence[str],
        wish: str | None,
        liked: Sequence[bool] | None = None,
    ) -> FloatArray:
        """Logit of yes minus logit of no, float64 [n]."""
        shared: dict[str, str | list[str]] = {"history": _lines(history, self.language)}
        if wish:
            shared["wish"] = wish
        prefix, suffixes = split(
            "will_take",
            self.language,
            shared=shared,
            each=[{"title": readable(title)} for title in titles],
            scenario=self.scenario,
            wrap=lambda text: self.model.chat_prompt([{"role": "user", "content": text}]),
        )
        logits = self.model.answer_logits(prefix, suffixes, ANSWERS[self.language])
        difference: FloatArray = logits[:, 0] - logits[:, 1]
        return difference


class LikelihoodAsking:
    """Reads the history as a list of products and asks how likely each title is to come next."""

    together = False

    def __init__(self, model: LanguageModel, language: str, scenario: str = "retail") -> None:
        self.model, self.language, self.scenario = model, language, scenario
        names = ("next_item", "any_item")
        prompts = "-".join(version(name, language, scenario=scenario) for name in names)
        self.version = f"{model.name}|likelihood-{prompts}"

    def scores(
        self,
        history: Sequence[str],
        titles: Sequence[str],
        wish: str | None,
        liked: Sequence[bool] | None = None,
    ) -> FloatArray:
        """Log-likelihood ratio, float64 [n]."""
        fields: dict[str, str | list[str]] = {"history": _lines(history, self.language)}
        if wish:
            fields["wish"] = wish
        # The blank before a title belongs to its first token.
        prefix = render("next_item", self.language, scenario=self.scenario, **fields).rstrip(" ")
        endings = [f" {readable(title)}\n" for title in titles]
        return self.model.log_likelihood(prefix, endings) - self._alone(endings)

    def _alone(self, endings: Sequence[str]) -> FloatArray:
        keys = [f"{self.version}|{ending}" for ending in endings]
        missing = [place for place, key in enumerate(keys) if _ALONE.get(key) is None]
        if missing:
            prefix = render("any_item", self.language, scenario=self.scenario).rstrip(" ")
            found = self.model.log_likelihood(prefix, [endings[place] for place in missing])
            for place, value in zip(missing, found, strict=True):
                _ALONE.put(keys[place], float(value))
        values = [_ALONE.get(key) for key in keys]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


class LettersAsking:
    """Shows all candidates with letters and asks for one, in several orders.

    Orders begin at different candidates, and every second one is the one before it, backwards: what a model
    gives a place whatever stands there meets the same items early and late. The log-shares of the letters are
    averaged (Hou et al. 2024, "Large language models are zero-shot rankers for recommender systems",
    section 4).
    """

    together = True

    def __init__(
        self, model: LanguageModel, language: str, scenario: str = "retail", *, orders: int = 4
    ) -> None:
        self.model, self.language, self.scenario, self.orders = model, language, scenario, orders
        names = ("will_take.prefix", "which_one")
        prompts = "-".join(version(name, language, scenario=scenario) for name in names)
        self.version = f"{model.name}|letters-{orders}-{prompts}"

    def scores(
        self,
        history: Sequence[str],
        titles: Sequence[str],
        wish: str | None,
        liked: Sequence[bool] | None = None,
    ) -> FloatArray:
        """Mean log-share of each letter, float64 [n]; at most 52 titles.

        Raises
        ------
        InputError
            When there are more titles than letters.
        """
        count = len(titles)
        if count > len(LETTERS):
            raise InputError("There are not letters enough", expected=f"{len(LETTERS)}", received=str(count))
        if count == 0:
            return np.zeros(0)
        shared: dict[str, str | list[str]] = {"history": _lines(history, self.language)}
        if wish:
            shared["wish"] = wish
        shown = _orders(count, self.orders)
        named = [readable(title) for title in titles]
        prefix, suffixes = split(
            "will_take",
            self.language,
            shared=shared,
            each=[
                {
                    "candidates": [
                        f"{letter}: {named[place]}" for letter, place in zip(LETTERS, order, strict=False)
                    ]
                }
                for order in shown
            ],
            scenario=self.scenario,
            ending="which_one",
            wrap=lambda text: self.model.chat_prompt([{"role": "user", "content": text}]),
        )
        logits = self.model.answer_logits(prefix, suffixes, list(LETTERS[:count]))
        shares = log_softmax(logits, axis=1)
        found = np.zeros(count)
        for order, share in zip(shown, shares, strict=True):
            found[order] += share
        return found / len(shown)


class TimelineAsking:
    """Asks in the form that models are tuned on: "Alien: Yes. Heat:".

    ``base``: the model whose own answers are taken away, None: nobody's.
    """

    together = False

    def __init__(
        self,
        model: LanguageModel,
        language: str,
        scenario: str = "retail",
        *,
        base: LanguageModel | None = None,
    ) -> None:
        self.model, self.base, self.telling = model, base, Telling(language, scenario)
        style = content_key(self.telling.event("", True), self.telling.wish(""))[:8]
        prompt = version("timeline", language, scenario=scenario)
        name = model.name if base is None else f"{model.name} beyond {base.name}"
        self.version = f"{name}|timeline-{prompt}-{style}"

    def scores(
        self,
        history: Sequence[str],
        titles: Sequence[str],
        wish: str | None,
        liked: Sequence[bool] | None = None,
    ) -> FloatArray:
        """Logit of yes minus logit of no, float64 [n]."""
        answers = [True] * len(history) if liked is None else liked
        events = [self.telling.event(title, good) for title, good in zip(history, answers, strict=True)]
        wanted = [self.telling.wish(wish)] if wish else []
        prefix = "".join([self.telling.head, *events, *wanted])
        questions = [self.telling.question(title) for title in titles]
        models = (self.model,) if self.base is None else (self.model, self.base)
        logits = [model.answer_logits(prefix, questions, self.telling.answers) for model in models]
        own, *taken = (one[:, 0] - one[:, 1] for one in logits)
        return own - taken[0] if taken else own


_ALONE: MemoryCache[float] = MemoryCache(200_000)


def make_asking(
    way: str,
    model: LanguageModel,
    language: str,
    scenario: str = "retail",
    *,
    orders: int = 4,
    base: LanguageModel | None = None,
) -> Asking:
    """``yes-no``, ``likelihood``, ``letters`` (in so many orders) or ``timeline`` (above ``base``)."""
    kinds: dict[str, Callable[..., Any]] = {
        "yes-no": YesNoAsking,
        "likelihood": LikelihoodAsking,
        "letters": partial(LettersAsking, orders=orders),
        "timeline": partial(TimelineAsking, base=base),
    }
    made: Asking = kinds[way](model, language, scenario)
    return made


def _orders(count: int, orders: int) -> list[IntArray]:
    """At most so many orders of so many candidates: rotations, each with its reverse."""
    turns = min(-(-orders // 2), count)
    found = []
    for start in np.arange(turns) * count // turns:
        turned = np.roll(np.arange(count, dtype=np.int32), -start)
        found += [turned, turned[::-1]]
    return found[:orders] if count > 1 else found[:1]


def _lines(history: Sequence[str], language: str) -> list[str]:
    return history_lines([readable(title) for title in history], language=language)
