"""The map holds: rooms import downwards only, files and functions stay short, names are pinned."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import zhiyin

SOURCE = Path(zhiyin.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
LEVELS = (
    {"errors"},
    {"types", "config", "registry", "artifacts", "draws", "extras", "logs", "caches", "nesting"},
    {"safety", "diversify", "store", "tracking", "checkpoint"},
    {"text"},
    {"data"},
    {"evaluate"},
    {"lm", "explore"},
    {"interest"},
    {"retrieve"},
    {"rank"},
    {"adapt"},
    {"pipeline"},
    {"scale", "serve"},
    {"cli"},
    {"__main__"},
    {"testing"},
)
PUBLIC = {
    "AsyncClient", "Catalogue", "Client", "Dataset", "Recommendations", "Recommender", "Split",
    "ZhiyinError", "__version__", "compare", "leave_last_basket_out", "leave_last_out", "load_bundled",
    "load_language_model", "load_text_encoder", "match", "split_at", "split_by_time", "split_users_by_time",
}  # fmt: skip
MAX_FILE, MAX_FUNCTION = 500, 100


def room_of(path):
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def level_of(room):
    return next(number for number, rooms in enumerate(LEVELS) if room in rooms)


def imports_of(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            if node.module == "zhiyin":
                yield from ((node, f"zhiyin.{name.name}") for name in node.names)
            else:
                yield node, node.module


def test_enough_files_are_checked():
    assert len(FILES) > 70


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_rooms_import_downwards_only(path):
    if path == SOURCE / "__init__.py":
        return
    here = level_of(room_of(path))
    for node, module in imports_of(ast.parse(path.read_text("utf-8"))):
        if not module.startswith("zhiyin.") or module == "zhiyin.__version__":
            continue
        room = module.split(".")[1]
        same = room == room_of(path)
        assert same or level_of(room) < here, f"line {node.lineno}: {room_of(path)} imports {room}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_are_short(path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= MAX_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < MAX_FUNCTION, node.name
            inner = [one for one in ast.walk(node) if isinstance(one, ast.Import | ast.ImportFrom)]
            own = [one.lineno for one in inner if "zhiyin" in ast.unparse(one)]
            assert not own, f"{node.name} imports zhiyin inside the function, line {own}"


def test_public_names_are_pinned():
    assert set(zhiyin.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(zhiyin, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = zhiyin.no_such_name


def test_public_modules_of_the_map_exist():
    from zhiyin.diversify import rerank
    from zhiyin.evaluate import diversity, ranking
    from zhiyin.explore import make_policy

    assert callable(rerank) and callable(make_policy)
    assert callable(ranking.ndcg) and callable(diversity.intra_list_distance)


def test_import_loads_no_torch():
    code = (
        "import sys, zhiyin, zhiyin.cli, zhiyin.pipeline\n"
        "heavy = {'torch', 'transformers', 'plotly', 'openvino_genai', 'sentence_transformers'}\n"
        "found = heavy & set(sys.modules)\n"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path
