"""Where the server listens, what it accepts and who may ask; knows no HTTP library.

Layers: command line > ``ZHIYIN_SERVE__*`` > a TOML file > default. The file holds hashes of the API
keys, never the keys.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from zhiyin.config import Config, Layered, environment, nested, read_toml
from zhiyin.errors import ConfigError

__all__ = ["WORKER", "ApiKey", "Role", "ServeSettings", "load_serve_settings", "new_key"]

WORKER = "ZHIYIN_WORKER"  # tells a worker process what to serve
Role = Literal["reader", "writer", "admin"]


class ApiKey(Config):
    """One key: ``reader`` asks, ``writer`` also reports events and feedback, ``admin`` also edits."""

    name: str = Field(min_length=1, max_length=64)
    role: Role = "reader"
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class ServeSettings(Layered):
    """The server's settings.

    ``store``: a file or URL, "": ``store.db`` beside the recommender; ``workers``: processes;
    ``body_bytes``: the longest request body; ``body_seconds``: how long it may take to arrive;
    ``batch``: most users answered together; ``watch_seconds``: how often a new model version is
    looked for.
    """

    model_config = SettingsConfigDict(env_prefix="ZHIYIN_SERVE__")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    store: str = ""
    keys: tuple[ApiKey, ...] = ()
    body_bytes: int = Field(default=1 << 20, ge=1024)
    body_seconds: float = Field(default=10.0, gt=0)
    batch: int = Field(default=64, ge=1, le=1024)
    watch_seconds: float = Field(default=1.0, gt=0)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def load_serve_settings(
    file: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> ServeSettings:
    """The merged settings.

    Raises
    ------
    ConfigError
        When a value is wrong, or the server would be open to others without any key.
    """
    layers = [] if file is None else [(file.name, read_toml(file))]
    layers += [environment(ServeSettings), ("command line", nested(overrides or {}))]
    settings = ServeSettings.layered(layers, where="The server")
    names = [key.name for key in settings.keys]
    if len(set(names)) != len(names):
        raise ConfigError("Two API keys have one name", expected="different names", received=str(names))
    if not settings.keys and not settings.loopback:
        raise ConfigError(
            f"The server would answer anybody who reaches {settings.host}",
            expected="API keys, or a loopback address such as 127.0.0.1",
            received="no keys",
            hint="Make one with: zhiyin serve --new-key writer",
        )
    return settings


def new_key() -> tuple[str, str]:
    """A fresh API key and its sha256, as the settings file wants it."""
    key = f"zy_{secrets.token_urlsafe(32)}"
    return key, hashlib.sha256(key.encode()).hexdigest()
