"""What must not be forgotten: users, items, events, decisions, feedback, model versions.

Speaks external ids and numbers of items; knows no prompts and no rankers.
"""

from __future__ import annotations

from zhiyin.store.engine import store_url
from zhiyin.store.records import Event, Feedback, Item, ModelVersion, Request, Shown, User
from zhiyin.store.store import Store

__all__ = ["Event", "Feedback", "Item", "ModelVersion", "Request", "Shown", "Store", "User", "store_url"]
