"""Events, items and texts without what is certainly wrong; knows no files, models or splits.

Cleaning is a list of named rules, one a file. Each reports the rows that it touched and can be
switched on or off. Rejected rows are kept in the report with their reasons, changed cells with what
they were; tables that were handed in are never changed; cleaning twice changes nothing.
"""

from __future__ import annotations

from zhiyin.data.cleaning.apply import Switches, clean, clean_events, clean_titles, rule_names

__all__ = ["Switches", "clean", "clean_events", "clean_titles", "rule_names"]
