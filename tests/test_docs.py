"""What the documentation shows is what the program does."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from zhiyin import registry
from zhiyin.cli.app import app

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
GUIDES = ("docs/guide/data.md", "docs/guide/evaluation.md", "docs/guide/retrieval.md", "docs/guide/tuning.md")


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text("utf-8"), flags=re.DOTALL)


def test_both_readmes_show_the_same_python():
    english, chinese = (
        [re.sub(r"\s*#.*", "", line) for line in block.splitlines() if line.strip()]
        for (block,) in (blocks(name, "python") for name in READMES)
    )
    assert english == chinese


def test_the_readmes_python_runs(tmp_path):
    (code,) = blocks("README.md", "python")
    lines = [line for line in code.splitlines() if line.strip()]
    assert 10 <= len(lines) <= 15
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "CANDLE" in done.stdout and "recent-popular" in done.stdout
    assert (tmp_path / "runs" / "retail" / "current").exists()


@pytest.mark.parametrize("name", GUIDES)
def test_the_guides_python_runs(name, tmp_path):
    """Each block by itself, but in one process, which is started once."""
    lines = [f"exec({code!r}, {{'__name__': '__main__'}})" for code in blocks(name, "python")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", READMES)
def test_the_readmes_commands_exist(name):
    known = {info.callback.__name__ for info in app.registered_commands}
    shown = set(re.findall(r"^zhiyin (\w+)", "\n".join(blocks(name, "sh")), flags=re.MULTILINE))
    assert shown | {"demo"} == known
    for target in re.findall(r"^make (\w+)", "\n".join(blocks(name, "sh")), flags=re.MULTILINE):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=str)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8")):
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_every_component_is_named_in_the_readme():
    text = (ROOT / "README.md").read_text("utf-8").lower()
    for name in ("random", "popular", "recent-popular", "item-knn", "als", "ease", "semantic"):
        assert name in registry.names("retriever") and name in text


def test_ci_calls_the_readmes_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("script", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.name)
def test_benchmarks_explain_themselves(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    monkeypatch.syspath_prepend(str(script.parent))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(script), run_name="__main__")
    assert not stop.value.code and "usage" in capsys.readouterr().out


@pytest.mark.slow
def test_the_retail_benchmark_prints_one_json_object(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "retail.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["runs"][0]
    lists = run["table"]["lists"]
    assert lists["retrieved"]["ndcg@10"]["mean"] > lists["recent-popular"]["ndcg@10"]["mean"]
