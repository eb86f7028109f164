"""The data that comes with zhiyin."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

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

    Examples
    --------
    >>> load_bundled("online-retail").n_users
    4074
    """
    folder = bundled_folder(name)
    return Dataset.from_files(folder / "events.csv.gz", folder / "items.csv", folder / "users.csv")
