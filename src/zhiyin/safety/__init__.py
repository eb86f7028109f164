"""What may go in and come out; knows no user, item or model."""

from __future__ import annotations

from zhiyin.safety.printable import printable
from zhiyin.safety.sanitise import sanitise

__all__ = ["printable", "sanitise"]
