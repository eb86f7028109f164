"""What may go in and come out; knows no user, item or model."""

from __future__ import annotations

from zhiyin.safety.homoglyphs import unmask
from zhiyin.safety.printable import printable
from zhiyin.safety.sanitise import sanitise
from zhiyin.safety.tokens import forbid_tokens

__all__ = ["forbid_tokens", "printable", "sanitise", "unmask"]
