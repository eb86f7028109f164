"""The command line: parse, call, print; no logic."""

from __future__ import annotations

from zhiyin.cli.app import main

__all__ = ["main"]
