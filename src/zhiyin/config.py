"""Settings and recipes, layered: command line > environment > TOML > default.

A recipe names the method of each stage and its parameters; a stage's own parameters are validated
by the component that reads them. ``origins`` tells where each value came from, for ``doctor``.
This module knows no component.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError

from zhiyin.errors import ConfigError

__all__ = [
    "Config",
    "Layered",
    "Recipe",
    "Settings",
    "Stage",
    "Stages",
    "find_recipe",
    "load_recipe",
    "load_settings",
    "environment",
    "nested",
    "parse",
    "read_toml",
    "recipe_names",
]

DEFAULT = "default"
DESCRIBE = ("template", "language-model", "none")
PREFIX = "ZHIYIN_"


class Config(BaseModel):
    """Base of every component's config: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


C = TypeVar("C", bound=BaseModel)


def parse(kind: type[C], params: Mapping[str, Any], *, where: str) -> C:
    """Validate parameters; all problems are reported together.

    Parameters
    ----------
    kind : type
        The pydantic model to build.
    params : Mapping
        Raw values.
    where : str
        What is being configured, for the message.

    Raises
    ------
    ConfigError
        Naming each field, what was expected and what came.
    """
    try:
        return kind(**params)
    except ValidationError as error:
        raise _explain(error, kind, where) from error


def _explain(error: ValidationError, kind: type[BaseModel], where: str) -> ConfigError:
    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"]) or "(all)"
        lines.append(f"{name}: {problem['msg']}, received {problem['input']!r}"[:300])
    return ConfigError(
        f"{where} cannot be configured this way",
        expected="; ".join(name for name in kind.model_fields if name != "origins"),
        received="; ".join(lines),
        hint="Correct the values named above.",
    )


class Stage(Config):
    """One stage: the registered name of its method ("none" leaves it out) and its parameters."""

    method: str = "none"
    params: dict[str, Any] = Field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether the stage does anything."""
        return self.method != "none"


class Stages(Config):
    """The way of the data."""

    retrieve: Stage = Stage()
    rank: Stage = Stage()
    diversify: Stage = Stage()
    explore: Stage = Stage(method="greedy")
    describe: Stage = Stage(method="template")

    @field_validator("describe")
    @classmethod
    def _known_way(cls, stage: Stage) -> Stage:
        if stage.method not in DESCRIBE:
            raise ValueError(f"no way to describe is called {stage.method!r}; one of {', '.join(DESCRIBE)}")
        return stage


class Layered(BaseSettings):
    """Base of what is merged from several layers; ``origins`` tells which one gave each value."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )
    origins: dict[str, str] = Field(default_factory=dict, exclude=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The layers are merged by ``layered``, which alone knows where each value came from.
        return (init_settings,)

    @classmethod
    def layered(cls, layers: Sequence[tuple[str, Mapping[str, Any]]], *, where: str) -> Self:
        """Merge layers, weakest first; remember which layer gave each value."""
        values: dict[str, Any] = {}
        origins = dict.fromkeys(_flatten(cls.model_construct().model_dump()), DEFAULT)
        for name, layer in layers:
            _merge(values, layer)
            origins.update({key: name for key in _flatten(layer)})
        return parse(cls, {**values, "origins": origins}, where=where)


class Settings(Layered):
    """Settings of the machine rather than of the recommender."""

    cache: Path = Path("~/.cache/zhiyin")
    data: Path = Path("../shared/data")
    threads: int = Field(default=0, ge=0, description="0: as many as the machine has")
    log_level: str = Field(default="warning", pattern="^(debug|info|warning|error)$")


class Recipe(Layered):
    """A recommender's configuration.

    ``candidates`` is how many items leave retrieval; ``language`` is that of the prompts, ``scenario``
    says what the items are (retail, news, music, video, courses, finance, speakers);
    ``refit`` fits the retrievers again on train and validation after the choices are made;
    ``event_weights`` turns an event's type into its strength (1 where it is not named); ``cleaning``
    switches rules of cleaning on and off, or gives their parameters.
    """

    name: str = "custom"
    description: str = ""
    seed: int = Field(default=7, ge=0, lt=2**31)
    candidates: int = Field(default=200, ge=1)
    language: str = Field(default="en", pattern="^(en|zh)$")
    scenario: str = "retail"
    encoder: str = "minilm-l6"
    refit: bool = True
    event_weights: dict[str, float] = Field(default_factory=dict)
    cleaning: dict[str, bool | dict[str, Any]] = Field(default_factory=dict)
    stages: Stages = Stages()

    def changed(self, overrides: Mapping[str, Any]) -> Self:
        """The same recipe with some values replaced, by nested or dotted keys.

        Raises
        ------
        ConfigError
            When a value is wrong.
        """
        layers = [("recipe", self.model_dump(mode="json")), ("command line", nested(overrides))]
        return type(self).layered(layers, where=f"The recipe {self.name!r}")


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The machine's settings: overrides > ``ZHIYIN_*`` > default."""
    return Settings.layered([environment(Settings), ("command line", overrides or {})], where="Settings")


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that come with zhiyin."""
    return tuple(sorted(path.stem for path in _recipe_folder().glob("*.toml")))


def find_recipe(name: str) -> Path:
    """The file of a recipe: a name that comes with zhiyin, or a path to a TOML file.

    Raises
    ------
    ConfigError
        When there is none.
    """
    for path in (_recipe_folder() / f"{name}.toml", Path(name)):
        if path.suffix == ".toml" and path.is_file():
            return path
    raise ConfigError(
        f"No recipe is called {name!r}",
        expected=f"one of {', '.join(recipe_names())}, or the path of a .toml file",
        received=name,
        hint="Copy a recipe that comes with zhiyin and pass its path.",
    )


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's content.

    Raises
    ------
    ConfigError
        When it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", expected="a TOML file", received=str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML", expected="TOML", received=str(error)) from error


def load_recipe(name: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe: overrides (nested or dotted keys) > ``ZHIYIN_*`` > its TOML > default.

    Examples
    --------
    >>> recipe = load_recipe("retail", {"stages.rank.method": "none"})
    >>> recipe.stages.rank.active, recipe.origins["stages.rank.method"]
    (False, 'command line')
    """
    path = find_recipe(name)
    layers = [(path.name, read_toml(path)), environment(Recipe), ("command line", nested(overrides or {}))]
    return Recipe.layered(layers, where=f"The recipe {path}")


def _recipe_folder() -> Path:
    packaged = Path(str(resources.files("zhiyin"))) / "recipes"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "recipes"


def environment(kind: type[BaseSettings]) -> tuple[str, dict[str, Any]]:
    """The layer of a kind's environment variables."""
    try:
        found = EnvSettingsSource(kind)()
    except SettingsError as error:
        names = [name for name in os.environ if name.startswith(PREFIX)]
        raise ConfigError(
            "An environment variable cannot be read",
            expected='JSON for a group of values: ZHIYIN_STAGES__RANK=\'{"method": "none"}\'',
            received=f"{str(error).splitlines()[0]}; set: {', '.join(sorted(names))}",
            hint="Or name the value itself: ZHIYIN_STAGES__RANK__METHOD=none",
        ) from error
    found.pop("origins", None)
    return "environment", found


def unknown_variables() -> tuple[str, ...]:
    """``ZHIYIN_*`` variables that no setting reads: likely typing errors."""
    fields = {*Settings.model_fields, *Recipe.model_fields, "serve", "worker"}
    found = (name for name in os.environ if name.startswith(PREFIX))
    return tuple(name for name in found if name[len(PREFIX) :].lower().split("__")[0] not in fields)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values from dotted keys."""
    values: dict[str, Any] = {}
    for key, value in flat.items():
        here = values
        *path, last = key.split(".")
        for part in path:
            here = here.setdefault(part, {})
            if not isinstance(here, dict):
                raise ConfigError(f"{key} lies below a value", expected="one of the two", received=str(here))
        here[last] = _copy(value)
    return values


def _merge(base: dict[str, Any], top: Mapping[str, Any]) -> None:
    for key, value in top.items():
        here = base.get(key)
        if isinstance(value, Mapping) and isinstance(here, dict):
            # A stage of another method does not inherit the parameters of the one it replaces.
            if "method" in value and value["method"] != here.get("method"):
                here.pop("params", None)
            _merge(here, value)
        else:
            base[key] = _copy(value)


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def _flatten(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys = []
    for key, value in values.items():
        path = f"{prefix}{key}"
        keys += _flatten(value, f"{path}.") if isinstance(value, Mapping) and value else [path]
    return keys
