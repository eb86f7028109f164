"""What is learned from: a history read once, and many labelled questions about it; knows no users."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.types import FloatArray

__all__ = ["PackedExample", "TokenExample", "digest", "encode"]

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PackedExample:
    """Texts read one after another, and branches: questions that each see only the first of them.

    A branch is read right after the segments it sees, as if nothing else had been written: the
    answers are those of separate prompts ``"".join(segments[:sees]) + branch``. So one long history
    serves questions about every moment of it, and none of them learns from what came later.

    Attributes
    ----------
    segments : tuple of str
        Not empty; the first is usually the instruction. Tokenised one by one.
    branches : tuple of str
        Each ends where the answer begins.
    sees : tuple of int
        For each branch how many segments, from the first, it sees: 1 to ``len(segments)``.
    labels : tuple of float
        Probability of yes for each branch, in [0, 1].
    group : str
        Whose questions these are. Objectives that compare answers compare those of one example.
    priors : tuple of float
        For each branch the log-odds of yes that something else tells. The model then learns what the
        other does not know: to them is added by how much its own log-odds exceed those of the base
        model. Empty: nothing does.

    Examples
    --------
    >>> PackedExample(("Liked:", " Alien", " Heat"), (" Jaws?", " Big?"), (2, 3), (1.0, 0.0), "ann").sees
    (2, 3)
    """

    segments: tuple[str, ...]
    branches: tuple[str, ...]
    sees: tuple[int, ...]
    labels: tuple[float, ...]
    group: str = ""
    priors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        sizes = {len(self.branches), len(self.sees), len(self.labels)}
        if len(sizes) != 1 or not self.branches:
            raise InputError(
                "An example needs branches, and as many sees and labels",
                expected="three of one length, at least 1",
                received=f"{len(self.branches)}, {len(self.sees)} and {len(self.labels)}",
            )
        if not all(self.segments) or not self.segments or not all(self.branches):
            raise InputError("A segment or branch is empty", expected="texts", received="an empty one")
        if not all(1 <= seen <= len(self.segments) for seen in self.sees):
            raise InputError(
                "A branch sees segments that are not there",
                expected=f"1 to {len(self.segments)}",
                received=f"{min(self.sees)} to {max(self.sees)}",
            )
        if not all(0.0 <= label <= 1.0 for label in self.labels):
            raise InputError("A label is no probability", expected="[0, 1]", received=str(self.labels[:8]))
        if self.priors and (len(self.priors) != len(self.branches) or not np.isfinite(self.priors).all()):
            raise InputError(
                "The priors do not fit the branches",
                expected=f"none, or {len(self.branches)} finite log-odds",
                received=str(self.priors[:8]),
            )


@dataclass(frozen=True, eq=False)
class TokenExample:
    """The same in tokens, its branches in the order of what they see.

    A branch whose text is how the next segments begin anyway needs no tokens of its own: its answer
    is read on the way. "A: Yes. B: No. C: Yes." asks about B and C while it tells of them.

    ``prefix`` int64 [P]; ``branches``: int64 [b] each, empty where the answer is read at the end of
    what is seen; ``visible`` int64 [B]: how many tokens of the prefix each branch sees, ascending;
    ``labels`` and ``priors`` float64 [B]; ``places`` int64 [B]: the number of each branch among all
    branches of all examples; ``number``: of the example among all.
    """

    prefix: Tokens
    branches: tuple[Tokens, ...]
    visible: Tokens
    labels: FloatArray
    priors: FloatArray
    places: Tokens
    number: int

    @property
    def tokens(self) -> int:
        """Tokens of everything."""
        return len(self.prefix) + sum(len(one) for one in self.branches)

    @property
    def content(self) -> str:
        """What tells its tokens and who sees what from others, 64 hex digits."""
        return digest([self.visible, self.prefix, *self.branches])

    def parts(self, most: int) -> Iterator[TokenExample]:
        """The same in pieces of at most ``most`` tokens, each with the prefix its branches need.

        A piece whose prefix is longer than half of that may have as many tokens of branches as of prefix:
        what is read once should be asked about often.
        """
        first, size = 0, 0
        for place, branch in enumerate(self.branches):
            seen = int(self.visible[place])
            if place > first and seen + size + len(branch) > max(most, 2 * seen):
                yield self._part(first, place)
                first, size = place, 0
            size += len(branch)
        yield self._part(first, len(self.branches))

    def _part(self, first: int, last: int) -> TokenExample:
        inside = slice(first, last)
        return TokenExample(
            self.prefix[: int(self.visible[last - 1])],
            self.branches[inside],
            self.visible[inside],
            self.labels[inside],
            self.priors[inside],
            self.places[inside],
            self.number,
        )


def digest(arrays: Sequence[Tokens]) -> str:
    """sha256 of arrays and their lengths."""
    made = hashlib.sha256(np.array([len(one) for one in arrays]).tobytes())
    for one in arrays:
        made.update(one.tobytes())
    return made.hexdigest()


def encode(tokenizer: Any, examples: Sequence[PackedExample], *, longest: int | None) -> list[TokenExample]:
    """Tokenise, each distinct text once.

    Parameters
    ----------
    tokenizer
        Of transformers; no special tokens are added.
    examples : sequence of PackedExample
    longest : int or None
        Positions the model has.

    Raises
    ------
    InputError
        When a branch with what it sees is longer than that; it names the example.
    """
    known = _vocabulary(tokenizer, examples)
    found, branches = [], 0
    for number, one in enumerate(examples):
        segments = [known[text] for text in one.segments]
        ends = np.cumsum([len(part) for part in segments])
        visible = ends[np.array(one.sees) - 1]
        lengths = np.array([len(known[text]) for text in one.branches])
        if longest is not None and int((visible + lengths).max()) > longest:
            raise InputError(
                f"Example {number} is too long for the model",
                expected=f"at most {longest} tokens",
                received=str(int((visible + lengths).max())),
                hint="Give it a shorter history.",
            )
        prefix = np.concatenate(segments)
        own = []
        for place, text in enumerate(one.branches):
            seen, told = int(visible[place]), known[text]
            inside = np.array_equal(prefix[seen : seen + len(told)], told)
            visible[place] += len(told) if inside else 0
            own.append(told[:0] if inside else told)
        order = np.argsort(visible, kind="stable")
        found.append(
            TokenExample(
                prefix[: int(visible.max())],
                tuple(own[place] for place in order),
                visible[order].astype(np.int64),
                np.array(one.labels, dtype=np.float64)[order],
                np.array(one.priors or (0.0,) * len(order), dtype=np.float64)[order],
                branches + order.astype(np.int64),
                number,
            )
        )
        branches += len(one.branches)
    return found


def _vocabulary(tokenizer: Any, examples: Sequence[PackedExample]) -> Mapping[str, Tokens]:
    texts = list(dict.fromkeys(text for one in examples for text in (*one.segments, *one.branches)))
    if not texts:
        return {}
    rows = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    for text, row in zip(texts, rows, strict=True):
        if not row:
            raise InputError("A text has no tokens", expected="one or more", received=repr(text))
    return {text: np.array(row, dtype=np.int64) for text, row in zip(texts, rows, strict=True)}
