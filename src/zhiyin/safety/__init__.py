"""What may go in and come out; knows no user, item or model."""

from __future__ import annotations

from zhiyin.safety.sanitise import sanitise

__all__ = ["sanitise"]
