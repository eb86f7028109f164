"""Layers: command line > environment > TOML > default; every value knows where it came from."""

import pytest

from zhiyin.config import (
    Config,
    find_recipe,
    load_recipe,
    load_settings,
    parse,
    recipe_names,
    unknown_variables,
)
from zhiyin.errors import ConfigError


def test_layers_win_in_order(monkeypatch, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('seed = 3\ncandidates = 50\n[stages.rank]\nmethod = "language-model"\n')
    monkeypatch.setenv("ZHIYIN_CANDIDATES", "60")
    monkeypatch.setenv("ZHIYIN_STAGES__RANK__METHOD", "none")
    recipe = load_recipe(str(path), {"language": "zh"})
    assert (recipe.seed, recipe.candidates, recipe.language, recipe.encoder) == (3, 60, "zh", "minilm-l6")
    assert not recipe.stages.rank.active
    assert recipe.origins["seed"] == "mine.toml"
    assert recipe.origins["candidates"] == "environment"
    assert recipe.origins["stages.rank.method"] == "environment"
    assert recipe.origins["language"] == "command line"
    assert recipe.origins["encoder"] == "default"


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("ZHIYIN_CACHE", "/tmp/somewhere")
    assert str(load_settings().cache) == "/tmp/somewhere"
    assert load_settings().origins["cache"] == "environment"
    assert load_settings({"threads": 2}).origins["threads"] == "command line"


def test_typing_errors_in_the_environment_are_named(monkeypatch):
    monkeypatch.setenv("ZHIYIN_CACHES", "x")
    assert unknown_variables() == ("ZHIYIN_CACHES",)


def test_another_method_does_not_inherit_parameters():
    recipe = load_recipe("retail", {"stages.retrieve.method": "ease"})
    assert recipe.stages.retrieve.params == {}


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_of_overrides_does_not_matter(turned):
    pairs = [("stages.explore.params.epsilon", 0.5), ("stages.explore.method", "epsilon-greedy")]
    recipe = load_recipe("retail", dict(reversed(pairs) if turned else pairs))
    assert recipe.stages.explore.params["epsilon"] == 0.5
    with pytest.raises(ConfigError, match="below a value"):
        load_recipe("retail", {"seed": 1, "seed.x": 2})


def test_all_problems_are_reported_together(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('seed = -1\nlanguage = "fr"\nno_such = 1\n')
    with pytest.raises(ConfigError) as caught:
        load_recipe(str(path))
    for word in ("seed", "language", "no_such", "bad.toml"):
        assert word in str(caught.value)


def test_a_broken_or_missing_recipe_is_named(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("seed = = 1")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_recipe(str(path))
    with pytest.raises(ConfigError, match="retail"):
        load_recipe("no-such-recipe")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_ships_is_valid(name):
    assert load_recipe(name).name == name
    assert find_recipe(name).read_text("utf-8").startswith("#")


def test_parse_names_the_component():
    class Mine(Config):
        size: int

    with pytest.raises(ConfigError, match="The widget") as caught:
        parse(Mine, {"size": "large", "colour": "red"}, where="The widget")
    assert "size" in str(caught.value) and "colour" in str(caught.value)
