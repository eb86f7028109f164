"""The data that comes with zhiyin; knows no other data and no model."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

import polars as pl

from zhiyin.data.columns import Columns
from zhiyin.data.dataset import Dataset
from zhiyin.errors import InputError

__all__ = ["BUNDLED", "bundled_folder", "load_bundled"]

BUNDLED: dict[str, str] = {
    "online-retail": "Purchases of a UK gift shop, 2010-12 to 2011-12 (CC0; Chen, Sain & Guo 2012,"
    " doi:10.1057/dbm.2012.17)",
}


def bundled_folder(name: str) -> Path:
    """The folder of a bundled data set.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    if name not in BUNDLED:
        raise InputError(f"No bundled data is called {name!r}", expected=", ".join(BUNDLED), received=name)
    return Path(str(resources.files("zhiyin.data"))) / "bundled" / name


def load_bundled(name: str) -> Dataset:
    """A data set that comes with zhiyin.

    ``online-retail``: first purchases of products by customers of a UK gift shop, with basket,
    quantity, title and price. CC0, with the donor's permission. Credit: Chen, Sain & Guo (2012),
    "Data mining for the online retail industry", doi:10.1057/dbm.2012.17.

    The source does not say when a product entered the shop, so ``available_from`` of an item is the
    time of its first event: the assortment of a moment is what had been sold by then, and a product
    first sold after a cut is no candidate at the cut. Your own data is never changed like this; give
    ``available_from`` in your items file.

    Raises
    ------
    InputError
        When there is none of that name.

    Examples
    --------
    >>> load_bundled("online-retail").n_users
    4074
    """
    folder = bundled_folder(name)
    return _from_first_sale(
        Dataset.from_files(folder / "events.csv.gz", folder / "items.csv", folder / "users.csv")
    )


def _from_first_sale(dataset: Dataset) -> Dataset:
    """The dataset with each item available from its first event; without events: always."""
    items = dataset.catalogue.frame.with_row_index(Columns.ITEM).with_columns(
        pl.col(Columns.ITEM).cast(pl.Int32)
    )
    first = dataset.events.group_by(Columns.ITEM).agg(
        pl.col(Columns.TIMESTAMP).min().alias(Columns.AVAILABLE_FROM)
    )
    frame = (
        items.update(first, on=Columns.ITEM, how="left", maintain_order="left")
        .drop(Columns.ITEM)
        .select(dataset.catalogue.frame.columns)
    )
    return replace(dataset, catalogue=replace(dataset.catalogue, frame=frame))
