"""Shared by all tests: the bundled data; the environment is set before anything reads it."""

import os

import pytest

KEPT = {"ZHIYIN_CACHE", "ZHIYIN_DATA"}
BACKENDS = pytest.StashKey[set]()


def pytest_terminal_summary(terminalreporter, config):
    ran = config.stash.get(BACKENDS, None)
    if ran is not None:
        terminalreporter.write_line(f"The store's suite ran on: {', '.join(sorted(ran))}")
        if not any(name.startswith("postgresql") for name in ran):
            terminalreporter.write_line("It did NOT run on PostgreSQL.", red=True)


def pytest_configure(config):
    config.backends = BACKENDS
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    for name in [name for name in os.environ if name.startswith("ZHIYIN_") and name not in KEPT]:
        del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Scores and vectors are computed afresh in each run; only the converted models are shared."""
    from zhiyin.lm import cache_folder

    models = cache_folder() / "models"
    models.mkdir(parents=True, exist_ok=True)
    folder = tmp_path_factory.mktemp("cache")
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
