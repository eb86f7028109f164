"""A user in words: filled from the evidence, or rephrased by a language model and checked."""

from __future__ import annotations

from zhiyin.interest.evidence import Evidence
from zhiyin.interest.records import Description
from zhiyin.interest.template import fill_template
from zhiyin.interest.verify import verified_claims
from zhiyin.text import messages
from zhiyin.types import LanguageModel

__all__ = ["describe"]

MAX_TOKENS = 96


def describe(evidence: Evidence, *, language: str = "en", model: LanguageModel | None = None) -> Description:
    """The description of one user.

    Parameters
    ----------
    evidence : Evidence
        What the behaviour shows.
    language : str
        "en" or "zh".
    model : LanguageModel or None
        Rephrases the template; sentences that do not follow from the evidence, or that cannot be
        read, are dropped. Where nothing is left, the template stays.

    Returns
    -------
    Description
        Empty claims for a user without a history.
    """
    claims = fill_template(evidence, language=language)
    if model is None or not claims:
        return Description(evidence.user, claims, evidence, "template")
    turns = messages("rephrase", language, facts=[claim.text for claim in claims])
    written = model.generate([model.chat_prompt(turns)], max_tokens=MAX_TOKENS)[0]
    kept, rejected = verified_claims(written, evidence)
    if not kept:
        return Description(evidence.user, claims, evidence, "template", rejected)
    return Description(evidence.user, kept, evidence, "language-model", rejected)
