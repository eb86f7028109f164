"""Which column of a file is which of ours; knows names, not cells."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zhiyin.data.columns import Columns
from zhiyin.errors import DataError

__all__ = ["EVENTS", "ITEMS", "TEXTS", "TRIPLES", "USERS", "Layout", "checked_names", "resolve"]

DELIMITERS: Final = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
UNNAMED: Final = "(unnamed column "
_UNREADABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Layout:
    """The columns that a kind of file may have.

    ``ids`` are required, ``times``, ``numbers`` and ``texts`` are optional. ``aliases``: our name ->
    another name that is accepted. ``unique``: the column whose values may not repeat.
    ``instead``: id column -> text column that may stand in its place in a row, as a search has words
    and no item. ``strict``: whether a row with an unreadable number, or without a time where the
    column exists, is rejected; else the cell is left empty. ``needed``: text columns whose empty cells
    are rejected.
    ``open``: whether other columns are kept, as text.
    """

    kind: str
    ids: tuple[str, ...]
    times: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    unique: str | None = None
    instead: Mapping[str, str] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    strict: bool = True
    open: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All names of ours, in order."""
        return (*self.ids, *self.times, *self.numbers, *self.texts)


EVENTS: Final = Layout(
    "events",
    ids=(Columns.USER_ID, Columns.ITEM_ID),
    times=(Columns.TIMESTAMP,),
    numbers=(Columns.VALUE, Columns.QUANTITY),
    texts=(Columns.EVENT, Columns.SESSION_ID, Columns.TEXT),
    aliases={Columns.SESSION_ID: "basket_id", Columns.VALUE: "rating"},
    instead={Columns.ITEM_ID: Columns.TEXT},
)
TEXTS: Final = Layout(
    "texts of users",
    ids=(Columns.USER_ID,),
    times=(Columns.TIMESTAMP,),
    texts=(Columns.TEXT, Columns.EVENT, Columns.ITEM_ID),
    aliases={Columns.TEXT: "comment"},
    needed=(Columns.TEXT,),
)
TRIPLES: Final = Layout(
    "triples",
    ids=(Columns.HEAD, Columns.RELATION, Columns.TAIL),
    texts=(Columns.SOURCE,),
)
ITEMS: Final = Layout(
    "items",
    ids=(Columns.ITEM_ID,),
    times=(Columns.AVAILABLE_FROM,),
    numbers=(Columns.PRICE,),
    texts=(Columns.TITLE, Columns.CATEGORY),
    unique=Columns.ITEM_ID,
    strict=False,
    open=True,
)
USERS: Final = Layout("users", ids=(Columns.USER_ID,), unique=Columns.USER_ID, open=True)


def checked_names(file: str, cells: Sequence[str], *, delimiter: str | None = None) -> list[str]:
    """Return the names in a header, stripped; a column without a name gets a placeholder.

    Raises
    ------
    DataError
        When the header was split at the wrong delimiter, is not UTF-8, or repeats a name.
    """
    place = file if delimiter is None else f"{file}, line 1"
    names = [cell.strip().removeprefix("\ufeff") for cell in cells]
    if delimiter is not None and len(names) == 1:
        others = [char for char in DELIMITERS if char != delimiter and char in names[0]]
        if others:
            most = max(others, key=names[0].count)
            raise DataError(
                f"{place}: the columns look separated by {DELIMITERS[most]}",
                expected=f"columns separated by {DELIMITERS.get(delimiter, repr(delimiter))}",
                received=f"one column called {names[0][:80]!r}",
                hint=f"Pass delimiter={most!r}" + (", or name the file .tsv." if most == "\t" else "."),
            )
    odd = next((name for name in names if _UNREADABLE.search(name)), None)
    if odd is not None:
        raise DataError(
            f"{place}: a column's name cannot be read",
            expected="a header in UTF-8, without control characters",
            received=repr(odd[:80]),
            hint="Save the file again as UTF-8 (in Excel: CSV UTF-8).",
        )
    repeated = [name for name, count in Counter(names).items() if name and count > 1]
    if repeated:
        raise DataError(
            f"{place}: a column occurs twice",
            expected="each name once",
            received=", ".join(repeated),
            hint="Rename or remove one of them.",
        )
    return [name or f"{UNNAMED}{number})" for number, name in enumerate(names, start=1)]


def resolve(
    file: str,
    names: Sequence[str],
    layout: Layout,
    columns: Mapping[str, str] | None,
    *,
    shared: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """Map our names to the file's; also return the file's columns that are left out.

    A mapping may serve several files, so a name of ours that this kind of file does not have is
    passed over, and where the mapped column is absent our own name is looked for. ``shared``: the
    mapping was made for several files, and what is optional here may be absent.

    Raises
    ------
    DataError
        When a required column, or one that ``columns`` names, is not there.
    """
    mapping = dict(columns or {})
    found: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name in layout.names:
        asked = [mapping[name], name] if name in mapping else [name, layout.aliases.get(name, name)]
        theirs = next((one for one in asked if one in names), None)
        if theirs is not None:
            found[name] = theirs
        elif name in (*layout.ids, *layout.needed) or (name in mapping and not shared):
            absent[name] = asked[0]
    if absent:
        raise _absent(file, names, absent)
    rest = [name for name in names if name not in found.values()]
    if layout.open:
        ours = {theirs: name for name, theirs in mapping.items()}
        for theirs in list(rest):
            name = ours.get(theirs, theirs)
            if name not in found and name not in layout.names and not theirs.startswith(UNNAMED):
                found[name] = theirs
                rest.remove(theirs)
    return found, rest


def _absent(file: str, names: Sequence[str], absent: Mapping[str, str]) -> DataError:
    nearest = {name: _nearest(names, name, asked) for name, asked in absent.items()}
    example = {name: (near or ["the file's name for it"])[0] for name, near in nearest.items()}
    wanted = ", ".join(map(repr, absent.values()))
    return DataError(
        f"{file} has no column {wanted}",
        expected=f"{wanted} in the header",
        received=", ".join(names)[:400],
        hint=f"Pass columns={example!r}, or add a header line if there is none."
        + "".join(
            f" Nearest to {absent[name]!r}: {', '.join(near)}." for name, near in nearest.items() if near
        ),
    )


def _nearest(names: Sequence[str], name: str, asked: str) -> list[str]:
    folded = {one.casefold().replace(" ", "_"): one for one in names}
    wanted = [asked.casefold(), name, name.removesuffix("_id"), name.replace("_", "")]
    near = [one for want in wanted for one in difflib.get_close_matches(want, folded, n=2, cutoff=0.6)]
    return list(dict.fromkeys(folded[one] for one in near))[:3]
