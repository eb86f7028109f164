"""Saved folders are whole or absent, and a damaged one is refused by name."""

import json
import os
import resource
import signal
import subprocess
import sys

import pytest

from zhiyin.artifacts import (
    KEPT_VERSIONS,
    current_name,
    point_to,
    read_version,
    version_names,
    write_text,
    write_version,
)
from zhiyin.errors import ArtifactError

ABOUT = {"kind": "thing", "config": {"a": 1}, "dataset": "abc", "seed": 7}


def save(folder, text="hello"):
    with write_version(folder, **ABOUT) as draft:
        (draft.path / "inner").mkdir()
        (draft.path / "inner" / "data.txt").write_text(text)


def test_round_trip_keeps_files_and_manifest(tmp_path):
    save(tmp_path / "run")
    version, manifest = read_version(tmp_path / "run", kind="thing")
    assert (version / "inner" / "data.txt").read_text() == "hello"
    assert manifest.config == {"a": 1} and manifest.dataset == "abc" and manifest.seed == 7
    assert list(manifest.files) == ["inner/data.txt"]


def test_a_failing_writer_leaves_the_old_version(tmp_path):
    save(tmp_path / "run", "old")
    with pytest.raises(ZeroDivisionError), write_version(tmp_path / "run", **ABOUT) as draft:
        (draft.path / "data.txt").write_text("new")
        raise ZeroDivisionError
    version, _ = read_version(tmp_path / "run", kind="thing")
    assert (version / "inner" / "data.txt").read_text() == "old"
    assert len(list((tmp_path / "run" / "versions").iterdir())) == 1


def test_only_some_versions_are_kept(tmp_path):
    for text in "abcdefg":
        save(tmp_path / "run", text)
    assert len(version_names(tmp_path / "run")) == KEPT_VERSIONS
    version, _ = read_version(tmp_path / "run", kind="thing")
    assert (version / "inner" / "data.txt").read_text() == "g"


def test_a_version_may_wait_and_be_pointed_to(tmp_path):
    save(tmp_path / "run", "a")
    first = current_name(tmp_path / "run")
    for text in "bcdefgh":
        with write_version(tmp_path / "run", **ABOUT, current=False) as draft:
            (draft.path / "data.txt").write_text(text)
        assert current_name(tmp_path / "run") == first != draft.name
    assert first in version_names(tmp_path / "run")  # the current one is never pruned
    point_to(tmp_path / "run", draft.name)
    version, _ = read_version(tmp_path / "run", kind="thing")
    assert version.name == draft.name
    assert read_version(tmp_path / "run", kind="thing", name=first)[0].name == first
    with pytest.raises(ArtifactError, match="no version"):
        point_to(tmp_path / "run", "absent")


def test_saving_the_same_twice_is_one_version(tmp_path):
    save(tmp_path / "run")
    save(tmp_path / "run")
    assert len(list((tmp_path / "run" / "versions").iterdir())) == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda version: (version / "inner" / "data.txt").write_text("changed"), "data.txt has changed"),
        (lambda version: (version / "inner" / "data.txt").unlink(), "data.txt is missing"),
        (lambda version: (version / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda version: (version / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda version: (version / "manifest.json").write_text('{"kind": 1}'), "manifest.json is damaged"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(tmp_path, damage, words):
    save(tmp_path / "run")
    damage(read_version(tmp_path / "run", kind="thing")[0])
    with pytest.raises(ArtifactError, match=words) as caught:
        read_version(tmp_path / "run", kind="thing")
    assert str(tmp_path / "run") in str(caught.value)


def test_another_kind_or_format_is_refused(tmp_path):
    save(tmp_path / "run")
    with pytest.raises(ArtifactError, match="cannot be read by this release"):
        read_version(tmp_path / "run", kind="other")
    version, _ = read_version(tmp_path / "run", kind="thing")
    content = json.loads((version / "manifest.json").read_text())
    (version / "manifest.json").write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(ArtifactError, match="format 99"):
        read_version(tmp_path / "run", kind="thing")


def test_a_changed_manifest_is_refused(tmp_path):
    save(tmp_path / "run")
    version, _ = read_version(tmp_path / "run", kind="thing")
    content = json.loads((version / "manifest.json").read_text())
    (version / "manifest.json").write_text(json.dumps({**content, "config": {"a": 2}}))
    with pytest.raises(ArtifactError, match=r"manifest\.json has changed"):
        read_version(tmp_path / "run", kind="thing")


def test_saving_again_repairs_a_damaged_version(tmp_path):
    save(tmp_path / "run")
    version, _ = read_version(tmp_path / "run", kind="thing")
    (version / "inner" / "data.txt").write_text("damaged")
    save(tmp_path / "run")
    version, _ = read_version(tmp_path / "run", kind="thing")
    assert (version / "inner" / "data.txt").read_text() == "hello"
    assert len(list((tmp_path / "run" / "versions").iterdir())) == 1


def test_no_folder_and_a_file_in_its_place(tmp_path):
    with pytest.raises(ArtifactError, match="holds no saved thing"):
        read_version(tmp_path / "nothing", kind="thing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="Could not write"):
        save(tmp_path / "file")


def test_a_full_disk_keeps_what_was_there(tmp_path):
    """A real refusal of the operating system: no file of the child may grow beyond 64 KiB."""
    save(tmp_path / "run", "old")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from zhiyin.artifacts import write_version
from zhiyin.errors import ArtifactError
try:
    with write_version({str(tmp_path / "run")!r}, kind="thing", config={{}}, dataset="", seed=1) as draft:
        (draft.path / "big.bin").write_bytes(bytes(1 << 20))
except ArtifactError as error:
    print(error)
"""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limit, check=True
    )
    assert "Could not write" in done.stdout and "what was there before is unchanged" in done.stdout
    version, _ = read_version(tmp_path / "run", kind="thing")
    assert (version / "inner" / "data.txt").read_text() == "old"
    assert [path.name for path in (tmp_path / "run" / "versions").iterdir()] == [version.name]


def test_killed_half_way_the_old_version_stays(tmp_path):
    save(tmp_path / "run", "old")
    code = f"""
import os
from zhiyin.artifacts import write_version
with write_version({str(tmp_path / "run")!r}, kind="thing", config={{}}, dataset="", seed=1) as draft:
    (draft.path / "half.bin").write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -9
    version, _ = read_version(tmp_path / "run", kind="thing")
    assert (version / "inner" / "data.txt").read_text() == "old"
    save(tmp_path / "run", "new")
    version, _ = read_version(tmp_path / "run", kind="thing")
    assert (version / "inner" / "data.txt").read_text() == "new"


def test_write_text_replaces_whole(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "一")
    write_text(tmp_path / "a" / "b.txt", "二")
    assert (tmp_path / "a" / "b.txt").read_text("utf-8") == "二"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_what_a_killed_process_left_is_swept_up(tmp_path):
    save(tmp_path / "run")
    versions = tmp_path / "run" / "versions"
    gone, young, alive = (
        versions / f".draft-{name}" for name in ("4194999-a", "4194999-b", f"{os.getpid()}-c")
    )
    for path in (gone, young, alive):
        path.mkdir()
    for path in (gone, alive):
        os.utime(path, (0, 0))
    save(tmp_path / "run", "b")
    assert not gone.exists() and young.exists() and alive.exists()
