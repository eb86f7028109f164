"""Do mentions of items in free text find their item? Beside the two plain ways.

    python benchmarks/linking.py

Titles of real catalogues are made into mentions: a third of the telling words left out, the rest in
another order, lower case, some plurals, one misspelled word in three mentions; each stands in a sentence.
Asked is whether the item is first, or among the first five, of any mention. Beside it: the title as a
whole string in the sentence, and the TF-IDF cosine of the whole sentence with each title. The mentions
are made up from titles: they say how robust the search is, not how people speak.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import psutil
from sklearn.feature_extraction.text import TfidfVectorizer

import zhiyin as zy
from zhiyin.evaluate.intervals import bootstrap_mean
from zhiyin.testing.realdata import data_folder
from zhiyin.text import TitleLinker, content_words

SENTENCES = (
    "hello, do you have the {} in the shop again?",
    "I was looking for {} as a present for my sister, thank you",
    "my {} arrived yesterday and I am very happy with it",
    "please send me {} before Friday",
)
Way = Callable[[str], list[int]]


def mention(title: str, draw: np.random.Generator) -> str | None:
    """A title as somebody might write it; None where it has fewer than three telling words."""
    words = content_words(title)
    if len(words) < 3:
        return None
    kept = [words[at] for at in sorted(draw.permutation(len(words))[: max(2, round(len(words) * 2 / 3))])]
    if draw.random() < 0.5:
        draw.shuffle(kept)
    last = kept[-1]
    if draw.random() < 0.3 and last.isalpha() and not last.endswith("s"):
        kept[-1] = f"{last}s"
    if draw.random() < 1 / 3:
        long = [at for at, word in enumerate(kept) if len(word) > 5 and word.isalpha()]
        if long:
            at = int(draw.choice(long))
            cut = int(draw.integers(2, len(kept[at]) - 1))
            kept[at] = kept[at][:cut] + kept[at][cut + 1 :]
    return " ".join(kept)


def linked(titles: Sequence[str]) -> Way:
    """Ours."""
    linker = TitleLinker(titles)
    return lambda text: [item for found in by_mention(linker, text) for item in found]


def by_mention(linker: TitleLinker, text: str) -> list[list[int]]:
    """The items of each mention, the surest mention first."""
    mentions = sorted(linker.link(text, limit=5), key=lambda one: -one.scores[0])
    return [list(one.items) for one in mentions]


def substring(titles: Sequence[str]) -> Way:
    """The whole title in the text."""
    plain = [" ".join(title.lower().split()) for title in titles]
    return lambda text: [item for item, title in enumerate(plain) if title and title in text.lower()][:5]


def tfidf(titles: Sequence[str]) -> Way:
    """The titles nearest to the whole text."""
    vectoriser = TfidfVectorizer(stop_words="english", token_pattern=r"(?u)\b\w+\b")
    vectors = vectoriser.fit_transform(titles)

    def find(text: str) -> list[int]:
        scores = (vectors @ vectoriser.transform([text]).T).toarray().ravel()
        return [int(item) for item in np.argsort(-scores, kind="stable")[:5]]

    return find


def run(titles: Sequence[str], n: int, seed: int) -> dict[str, object]:
    """All ways on the same texts."""
    draw = np.random.default_rng(seed)
    asked = []
    for item in draw.permutation(len(titles)):
        said = mention(titles[item], draw)
        if said is not None:
            asked.append((int(item), SENTENCES[len(asked) % len(SENTENCES)].format(said)))
        if len(asked) == n:
            break
    found: dict[str, object] = {"titles": len(titles), "texts": len(asked)}
    for name, make in (("linker", linked), ("whole title", substring), ("tf-idf of the sentence", tfidf)):
        start = time.perf_counter()
        way = make(titles)
        built = time.perf_counter()
        answers = [way(text) for _, text in asked]
        end = time.perf_counter()
        first = np.array(
            [item in answer[:1] for (item, _), answer in zip(asked, answers, strict=True)], float
        )
        five = np.array([item in answer[:5] for (item, _), answer in zip(asked, answers, strict=True)], float)
        found[name] = {
            "first": bootstrap_mean(first, seed=seed).to_dict(),
            "among_five": bootstrap_mean(five, seed=seed).to_dict(),
            "build_seconds": built - start,
            "milliseconds_a_text": 1e3 * (end - built) / len(asked),
        }
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    catalogues = {"Online Retail": zy.load_bundled("online-retail").catalogue.titles}
    folder = data_folder()
    if folder is not None:
        frame = pl.read_csv(folder / "amazon-beauty" / "items.csv", infer_schema=False)
        catalogues["Amazon Beauty"] = tuple(frame["title"].fill_null(""))
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine,
        "seed": options.seed,
        "zhiyin": zy.__version__,
    }
    found = {name: run(titles, options.texts, options.seed) for name, titles in catalogues.items()}
    print(json.dumps({**about, **found}, indent=1))


if __name__ == "__main__":
    main()
