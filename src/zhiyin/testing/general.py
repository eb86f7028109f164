"""General text and questions that say whether a model still writes and reasons; for benchmarks only."""

from __future__ import annotations

import gzip
import json

from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.retention.exam import Exam, Question
from zhiyin.testing.people import film_title
from zhiyin.testing.realdata import collm_items, shared_path
from zhiyin.text import messages

__all__ = ["general_exam"]

QUESTIONS = ("arc_easy", "piqa", "copa")
MARKS = (" <unk>",)
PARAGRAPH, ASKED, DESCRIBED = 400, 100, 16


def general_exam(
    model: CausalLanguageModel, *, texts: int = 48, questions: bool = False, known: str = ""
) -> Exam:
    """WikiText-2's validation text; with ``questions`` parts of ARC-easy, PIQA, COPA, and films to describe.

    Texts are paragraphs of at least 400 letters, taken at equal distances. Rare words stand there as "<unk>".
    No title that is in ``known`` is described.
    """
    with gzip.open(shared_path("general-text", "wikitext2-valid.txt.gz"), "rt", encoding="utf-8") as lines:
        long = [line.strip() for line in lines if len(line) >= PARAGRAPH]
    chosen = long[:: max(len(long) // texts, 1)][:texts]
    if not questions:
        return Exam(chosen, marks=MARKS)
    asked = {name: _questions(name) for name in QUESTIONS}
    films = [film_title(str(title)) for title in collm_items()["title"]]
    new = [title for title in films if title not in known]
    titles = new[:: max(len(new) // DESCRIBED, 1)][:DESCRIBED]
    prompts = [model.chat_prompt(messages("describe_item", "en", title=title)) for title in titles]
    return Exam(chosen, asked, prompts, marks=MARKS)


def _questions(name: str) -> list[Question]:
    with gzip.open(shared_path("general-text", f"{name}.jsonl.gz"), "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    step = max(len(rows) // ASKED, 1)
    return [Question(row["query"], tuple(row["choices"]), int(row["gold"])) for row in rows[::step][:ASKED]]
