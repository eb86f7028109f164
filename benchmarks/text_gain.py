"""What a language model's view of titles adds to the behaviour model on CoLLM; one JSON object.

Beside the behaviour model's features stand those of films that read alike: how they were liked (kernels and a
ridge regression that leaves the film itself out), how the user liked them, how near they are to the history.
"sentences": a text encoder's vectors of titles; "states": a causal model's hidden states, averaged over the
title. Everything is fitted on train; which features to take is for validation to say. The predictions of all
seeds are averaged. The data set may not ship: it is looked for where ``ZHIYIN_DATA`` says.

    python benchmarks/text_gain.py
    python benchmarks/text_gain.py --views sentences --seeds 7
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import psutil

import zhiyin as zy
from zhiyin.evaluate.pointwise import evaluate_predictions
from zhiyin.extras import require
from zhiyin.lm import load_text_encoder
from zhiyin.lm.retention.divergence import read
from zhiyin.logs import progress
from zhiyin.rank.behaviour import BehaviourModel
from zhiyin.rank.feedback import Feedback, features_after, features_within
from zhiyin.testing.collaboration import film_years, rows_of_feedback
from zhiyin.testing.people import film_title
from zhiyin.testing.realdata import collm_items, collm_movielens
from zhiyin.types import FloatArray

SHARPNESS = (4.0, 10.0)
BLOCKS, WIDTH, SHRINK, PENALTY = 6, 128, 5.0, 3.0
Features = dict[str, FloatArray]


def titles() -> list[str]:
    """Of every film by index."""
    found = [""] * (int(collm_items()["item_id"].max()) + 1)  # type: ignore[arg-type]
    for item, text in collm_items().iter_rows():
        found[int(item)] = film_title(text)
    return found


def sentences(names: Sequence[str]) -> FloatArray:
    """A text encoder's vectors."""
    return np.asarray(load_text_encoder("minilm-l6").encode([f"The movie {one}" for one in names]), float)


def states(names: Sequence[str]) -> FloatArray:
    """What a causal model makes of each title, its directions evened out."""
    model = zy.load_language_model("smollm2-135m")
    with require("torch").no_grad():
        found = [
            read(model.model, np.array(model.tokenizer(f"The movie {one} is a")["input_ids"])).mean(0).numpy()
            for one in progress(names, "the model reads titles", total=len(names))
        ]
    left, sizes, _ = np.linalg.svd(np.stack(found) - np.mean(found, axis=0), full_matrices=False)
    return left[:, :WIDTH] * np.sqrt(sizes[:WIDTH])


VIEWS: Mapping[str, Callable[[Sequence[str]], FloatArray]] = {"sentences": sentences, "states": states}


def unit(vectors: FloatArray) -> FloatArray:
    """Centred, of length 1."""
    centred = vectors - vectors.mean(0)
    return centred / (np.linalg.norm(centred, axis=1, keepdims=True) + 1e-9)


def rates(log: Feedback, keys: np.ndarray) -> FloatArray:
    """Share of likes of each row's key, drawn to that of all."""
    _, codes = np.unique(keys, return_inverse=True)
    total = np.bincount(codes, weights=log.labels) + SHRINK * log.labels.mean()
    return (total / (np.bincount(codes) + SHRINK))[codes]


def quality(log: Feedback, vectors: FloatArray) -> Features:
    """Of every film, how those that read like it were liked, above what their users like, itself left out."""
    over = log.labels - rates(log, log.users)
    counts = np.bincount(log.items, minlength=len(vectors)).astype(float)
    sums = np.bincount(log.items, weights=over, minlength=len(vectors))
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    found = {}
    for sharp in SHARPNESS:
        kernel = np.exp(sharp * (alike - 1))
        found[f"quality {sharp:g}"] = (kernel @ sums) / (kernel @ counts + 1e-9)
    seen = np.flatnonzero(counts)
    wide = np.c_[vectors, np.ones(len(vectors))]
    weights, means = counts[seen] / (counts[seen] + 3), sums[seen] / counts[seen]
    gram = wide[seen].T @ (wide[seen] * weights[:, None]) + PENALTY * np.eye(wide.shape[1])
    solved = np.linalg.solve(gram, (wide[seen] * weights[:, None]).T)
    found["quality, ridge"] = wide @ (solved @ means)
    own = np.clip(np.einsum("ij,ji->i", wide[seen], solved), 0, 0.95)
    found["quality, ridge"][seen] = (found["quality, ridge"][seen] - own * means) / (1 - own)
    return found


def tastes(log: Feedback, asked: Feedback, vectors: FloatArray) -> Features:
    """Of each row, how its user liked what reads like it, and how near it is to the history."""
    over = log.labels - np.clip(rates(log, log.users) + rates(log, log.items) - log.labels.mean(), 0, 1)
    order = np.argsort(log.users, kind="stable")
    bounds = np.searchsorted(log.users[order], np.stack([asked.users, asked.users + 1]))
    names = [*(f"taste {sharp:g}" for sharp in SHARPNESS), "nearness", "nearness, nearest"]
    found = {name: np.zeros(len(asked)) for name in names}
    for row, (low, high) in enumerate(bounds.T):
        own, past = order[low:high], asked.histories.items[asked.histories.slice(row)]
        here = vectors[asked.items[row]]
        for sharp in SHARPNESS:
            kernel = np.exp(sharp * (vectors[log.items[own]] @ here - 1))
            found[f"taste {sharp:g}"][row] = kernel @ over[own] / (kernel.sum() + 0.5)
        if len(past):
            near = np.sort(vectors[past] @ here)
            found["nearness"][row], found["nearness, nearest"][row] = near.mean(), near[-3:].mean()
    return found


def features(log: Feedback, asked: Feedback, views: Mapping[str, FloatArray]) -> Features:
    """Of each row of ``asked``, from what is in ``log``."""
    found = {}
    for view, vectors in views.items():
        both = {name: one[asked.items] for name, one in quality(log, vectors).items()}
        both.update(tastes(log, asked, vectors))
        found.update({f"{view}: {name}": one for name, one in both.items()})
    return found


def features_inside(log: Feedback, views: Mapping[str, FloatArray], known: np.ndarray) -> Features:
    """Of the rows of the log itself, each block of time from those before it."""
    edges = np.unique([np.sort(log.times)[len(log) * place // BLOCKS] for place in range(1, BLOCKS)])
    rows, parts = [], []
    for start, end in zip(edges, [*edges[1:], np.inf], strict=True):
        now = np.flatnonzero((log.times >= start) & (log.times < end))
        rows.append(now)
        parts.append(features(log.take(log.times < start), log.take(now), views))
    order = np.argsort(np.concatenate(rows))
    if not np.array_equal(np.concatenate(rows)[order], known):
        raise RuntimeError("the blocks of time are not those of the behaviour model")
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}


def measure(views: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    """Behaviour alone, and with the features of each view, of quality alone and of all."""
    names = titles()
    spaces = {view: unit(VIEWS[view](names)) for view in views}
    log, years = rows_of_feedback(collm_movielens("train")), {"year": film_years()}
    base, known = features_within(log, years)
    text = features_inside(log, spaces, known)
    sets = {"behaviour": []}
    for view in views:
        own = [name for name in text if name.startswith(view)]
        sets[f"{view}, quality"] = [name for name in own if "quality" in name]
        sets[view] = own
    if len(views) > 1:
        sets["all"] = list(text)
    models = {
        name: [
            BehaviourModel(seed=seed).fit(
                {**base, **{one: text[one] for one in chosen}},
                {"like": log.labels[known] > 0},
                log.times[known],
            )
            for seed in seeds
        ]
        for name, chosen in sets.items()
    }
    found = {}
    for part in ("valid", "test"):
        asked = rows_of_feedback(collm_movielens(part))
        shown = features_after(log, asked, years) | features(log, asked, spaces)
        wanted = {name: [*base, *chosen] for name, chosen in sets.items()}
        scores = {
            name: np.mean(
                [m.predict({one: shown[one] for one in wanted[name]})["like"] for m in models[name]], 0
            )
            for name in sets
        }
        labels = (asked.labels > 0).astype(int)
        found[part] = evaluate_predictions(scores, asked.users, labels, baseline="behaviour").to_dict()
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--views", nargs="+", choices=list(VIEWS), default=list(VIEWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[7, 8, 9, 10, 11])
    options = parser.parse_args()
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
    found = measure(options.views, options.seeds)
    print(json.dumps({**about, "seeds": options.seeds, **found}, indent=1))


if __name__ == "__main__":
    main()
