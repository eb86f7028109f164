"""A small shop that is served: in this process for most tests, in processes of its own for some."""

import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from starlette.testclient import TestClient

from zhiyin.pipeline import Recommender
from zhiyin.serve.app import create_app
from zhiyin.serve.client import Client
from zhiyin.serve.running import prepare, store_place
from zhiyin.serve.settings import ServeSettings
from zhiyin.testing import small_split

MEMBERS = [{"method": "popular"}, {"method": "item-knn"}, {"method": "als", "params": {"factors": 8}}]
RECIPE = {
    "candidates": 30,
    "event_weights": {"view": 0.1},
    "stages.retrieve.params": {"members": [*MEMBERS, {"method": "semantic"}]},
    "stages.rank.method": "none",
}


@pytest.fixture(scope="session")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop") / "model"
    split = small_split()
    Recommender.from_recipe("retail", RECIPE).fit(split.train, split.valid).save(folder)
    prepare(folder, str(folder / "store.db"))
    return folder


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """The same shop without a text encoder, for servers that start often."""
    folder = tmp_path_factory.mktemp("quick") / "model"
    split = small_split()
    plain = {"stages.retrieve.params": {"members": MEMBERS}, "stages.diversify.method": "none"}
    Recommender.from_recipe("retail", {**RECIPE, **plain}).fit(split.train, split.valid).save(folder)
    prepare(folder, str(folder / "store.db"))
    return folder


@pytest.fixture
def quick_folder(quick, tmp_path):
    """A copy of it that a test may spoil."""
    return shutil.copytree(quick, tmp_path / "quick")


@pytest.fixture
def folder(fitted, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(fitted, tmp_path / "model")


@pytest.fixture
def settings():
    return ServeSettings(watch_seconds=0.1)


@pytest.fixture
def api(folder, settings):
    with TestClient(create_app(folder, store_place(folder, settings), settings)) as client:
        yield client


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A served folder in a process of its own, which can be killed and started again."""

    def __init__(self, folder, *options):
        self.folder, self.options, self.port = folder, options, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "zhiyin", "serve", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *self.options], stderr=subprocess.DEVNULL, start_new_session=True
        )
        return self

    def wait(self, seconds=60):
        with Client(self.url, patience=seconds) as client:
            return client.ready()

    def kill(self):
        """SIGKILL to the whole family: no chance to tidy up."""
        subprocess.run(["pkill", "-KILL", "-g", str(self.process.pid)], check=False)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode


@pytest.fixture(scope="module")
def server(fitted, tmp_path_factory):
    """One server for the tests of a module that need a process but do not spoil it."""
    running = Server(shutil.copytree(fitted, tmp_path_factory.mktemp("served") / "model")).start()
    running.wait()
    yield running
    running.stop()


@pytest.fixture
def wait_until():
    def wait(check, seconds=30):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if check():
                return
            time.sleep(0.02)
        raise AssertionError("it did not happen in time")

    return wait


@pytest.fixture
def start():
    """Start servers that are stopped at the end, whatever happens."""
    running = []

    def begin(folder, *options):
        running.append(Server(folder, *options).start())
        return running[-1]

    yield begin
    for server in running:
        server.stop()
