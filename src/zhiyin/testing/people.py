"""The public data sets of likes and dislikes as timelines of people, in the format that tuning reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from zhiyin.lm.tuning.examples import PackedExample
from zhiyin.rank.company import in_words
from zhiyin.rank.timeline import Asked, Events, Telling, timeline
from zhiyin.testing.realdata import collm_items, collm_movielens, tallrec_movie
from zhiyin.types import FloatArray

__all__ = [
    "collm_people",
    "film_title",
    "labels_of",
    "tallrec_people",
    "tallrec_rows",
    "tallrec_users",
]

PARTS = ("train", "valid", "test")
Numbers = npt.NDArray[np.int64]
_TITLE = re.compile(r"(.*?)(?:, (The|A|An|La|Le|Les|Il|El|Das|Der|Die))?(?: \(.*\))? \(\d{4}\)$")
_PROMPT = re.compile(
    r'User Preference: (.*)\nUser Unpreference: (.*)\nWhether the user will like the target movie "(.*)"\?'
)
_QUOTED = re.compile(r'"(.*?)"(?:, |$)')


def film_title(text: str) -> str:
    """MovieLens' title as people write it, without the year.

    Examples
    --------
    >>> film_title("Shawshank Redemption, The (1994)")
    'The Shawshank Redemption'
    """
    found = _TITLE.match(text.strip())
    if found is None:
        return text.strip()
    name, article = found.groups()
    return f"{article} {name}" if article else name


def collm_people(
    part: str,
    *,
    telling: Telling,
    shares: FloatArray | None = None,
    most: int = 50,
    block: int = 64,
) -> tuple[list[PackedExample], Numbers]:
    """CoLLM's rows of a part as questions, each after the user's earlier likes in any part.

    ``shares``: by row of the part, how many of the people with the user's taste chose the film, told beside
    its title.

    Returns
    -------
    examples, rows
        And the number of the row in the part that each branch is, all examples end to end.
    """
    titles = {int(item): film_title(text) for item, text in collm_items().iter_rows()}
    frames = [collm_movielens(one).with_row_index("row") for one in PARTS[: PARTS.index(part) + 1]]
    known = pl.concat(frames).filter(pl.col("label") == 1).sort("timestamp")
    past = {int(user[0]): rows for user, rows in known.group_by(["user_id"], maintain_order=True)}
    examples, places = [], []
    for (user,), rows in frames[-1].group_by(["user_id"], maintain_order=True):
        before = past.get(int(user), known.clear())
        events = Events(
            before["timestamp"].to_numpy().astype(np.float64),
            [titles[int(item)] for item in before["item_id"]],
            before["label"].to_numpy() == 1,
        )
        names = [titles[int(item)] for item in rows["item_id"]]
        if shares is not None:
            known_shares = shares[rows["row"].to_numpy()].tolist()
            names = [in_words(*pair) for pair in zip(names, known_shares, strict=True)]
        asked = Asked(
            rows["timestamp"].to_numpy().astype(np.float64),
            names,
            rows["label"].to_numpy().astype(np.float64),
        )
        for example, chosen in timeline(telling, events, asked, name=str(user), most=most, block=block):
            examples.append(example)
            places.append(rows["row"].to_numpy()[chosen].astype(np.int64))
    return examples, np.concatenate(places)


def tallrec_rows(part: str) -> list[tuple[list[str], list[str], str, bool]]:
    """TALLRec's prompts taken apart: liked, disliked, asked, answer."""
    found = []
    for row in tallrec_movie(part):
        match = _PROMPT.match(row["input"])
        if match is None:
            raise ValueError(f"not a prompt of TALLRec: {row['input'][:80]}")
        liked, disliked = (_QUOTED.findall(match[place]) for place in (1, 2))
        found.append((liked, disliked, match[3], row["output"].startswith("Yes")))
    return found


def tallrec_people(
    part: str,
    *,
    telling: Telling,
    rows: Collection[int] | None = None,
    block: int = 64,
    told_too: bool = False,
) -> tuple[list[PackedExample], Numbers]:
    """TALLRec's prompts as timelines: neighbouring prompts of one user show the same films, one further.

    The first question of an example sees the ten films of its prompt, later ones those asked before too.

    Parameters
    ----------
    part : str
    telling : Telling
    rows : collection of int or None
        Which prompts to ask; None: all.
    block : int
        Questions of an example at most; 1: each sees its own ten films and nothing else.
    told_too : bool
        Ask on the way about the films that an example tells of first: their answers stand in the prompt, and
        asking costs no token. They belong to no row.

    Returns
    -------
    examples, rows
        And the number of the row in the part that each branch is, all examples end to end; -1: none.
    """
    prompts = tallrec_rows(part)
    examples, places = [], []
    for chain in _chains(prompts):
        events = _first_films(prompts, chain) + [(prompts[row][2], prompts[row][3]) for row in chain]
        times = np.arange(len(events), dtype=np.float64)
        shown = len(events) - len(chain)
        wanted = [at for at, row in enumerate(chain) if rows is None or row in rows]
        told = Events(times, [film_title(text) for text, _ in events], np.array([like for _, like in events]))
        for run in _runs(wanted, block):
            wider = [*range(run[0], run[0] + shown), *(shown + at for at in run)] if told_too else []
            moments = wider or [shown + at for at in run]
            asked = Asked(
                times[moments],
                [told.titles[at] for at in moments],
                np.array([float(told.liked[at]) for at in moments]),
            )
            most = 0 if told_too else shown
            made = list(
                timeline(telling, told, asked, name=str(chain[0]), most=most, block=block + len(wider))
            )
            examples += [example for example, _ in made]
            numbers = [-1] * (len(moments) - len(run)) + [chain[at] for at in run]
            places.append(np.array(numbers, dtype=np.int64))
    return examples, np.concatenate(places)


def tallrec_users(part: str) -> Numbers:
    """A number for each prompt's user: prompts of one user follow one another."""
    prompts = tallrec_rows(part)
    found = np.zeros(len(prompts), dtype=np.int64)
    for number, chain in enumerate(_chains(prompts)):
        found[chain] = number
    return found


def labels_of(examples: Iterable[PackedExample]) -> FloatArray:
    """Labels of all branches end to end."""
    return np.array([label for one in examples for label in one.labels])


def _runs(wanted: list[int], block: int) -> list[list[int]]:
    """Questions near enough to share an example."""
    found: list[list[int]] = []
    for at in wanted:
        if found and at < found[-1][0] + block:
            found[-1].append(at)
        else:
            found.append([at])
    return found


def _chains(prompts: list[tuple[list[str], list[str], str, bool]]) -> list[list[int]]:
    """Runs of prompts of one user: each shows what the one before showed, and what it asked."""
    found = [[0]]
    for row in range(1, len(prompts)):
        (liked, disliked, film, like), (now, not_now, *_) = prompts[row - 1], prompts[row]
        seen = {*liked, *disliked, film}
        if seen >= {*now, *not_now} and film in (now if like else not_now):
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _first_films(
    prompts: list[tuple[list[str], list[str], str, bool]], chain: list[int]
) -> list[tuple[str, bool]]:
    """The films of a chain's first prompt in the order in which later prompts drop them."""
    liked, disliked, *_ = prompts[chain[0]]
    films = [(film, True) for film in liked] + [(film, False) for film in disliked]
    gone: list[str] = []
    for one, other in pairwise(chain):
        shown = {*prompts[other][0], *prompts[other][1]}
        gone += [film for film, _ in films if film not in shown and film not in gone]
        if one - chain[0] > len(films):
            break
    place = {film: at for at, film in enumerate(gone)}
    return sorted(films, key=lambda film: place.get(film[0], len(films)))
