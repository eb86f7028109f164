"""What would make numbers on this data look better than they are; knows facts, no method."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from zhiyin.data import Dataset
from zhiyin.data.inference import EARLIEST
from zhiyin.pipeline.assessment.facts import Facts
from zhiyin.pipeline.assessment.texts import TextFacts

__all__ = ["Risk", "find_risks"]

# Names of attributes that are usually counted over all time, the future included.
_COUNTED: Final = re.compile(
    r"rating|stars|score|review|sales|sold|popular|rank|views|clicks|likes|num_|count|avg|average|best.?sell"
    r"|评分|销量|评论数|浏览|点击|收藏|热度|排名",
    re.IGNORECASE,
)
_GUESTS: Final = re.compile(
    r"^(?:0+|-1|null|none|nan|unknown|guest|anonymous|anon|test|admin|匿名|游客)$", re.I
)


@dataclass(frozen=True)
class Risk:
    """One risk: a short name, what was found, and what to do."""

    name: str
    found: str
    remedy: str


def find_risks(dataset: Dataset, facts: Facts, texts: TextFacts) -> list[Risk]:
    """Look for what leaks, or misleads."""
    return [*_time_risks(facts, texts), *_item_risks(facts, texts), *_user_risks(dataset, facts)]


def _time_risks(facts: Facts, texts: TextFacts) -> list[Risk]:
    if facts.days is None:
        found = "the events have no times, or all the same one"
        return [Risk("no times", found, "Without a timestamp nothing can be held out honestly.")]
    risks = []
    if facts.newest < EARLIEST:
        year = datetime.fromtimestamp(facts.newest, UTC).year
        found = f"the newest event is of {year}: rather places in a sequence, or serial numbers of days"
        risks.append(Risk("times that are none", found, "Write seconds since 1970, or dates."))
    if facts.tied_share > 0.3:
        found = f"{facts.tied_share:.0%} of the events share user and moment with another"
        remedy = "Split by time or by basket; never leave the last line out."
        risks.append(Risk("tied times", found, remedy))
    if texts.dated_share < 1.0 and (facts.cold_item_share or 0) > 0.01:
        found = (
            f"{1 - texts.dated_share:.0%} of the items have no available_from, and "
            f"{facts.cold_item_share:.1%} of the newest events are on items never seen before"
        )
        remedy = "Give available_from, or lists may hold what did not exist yet."
        risks.append(Risk("items from the future", found, remedy))
    if facts.cold_user_share is not None and facts.cold_user_share > 0.5:
        found = f"{facts.cold_user_share:.0%} of the newest events are of users never seen before"
        remedy = "Measure new users apart: their lists come from their first clicks, or from nothing."
        risks.append(Risk("new users", found, remedy))
    return risks


def _item_risks(facts: Facts, texts: TextFacts) -> list[Risk]:
    risks = []
    counted = [name for name in texts.attributes if _COUNTED.search(name)]
    if counted:
        found = f"{', '.join(counted)} look counted over all time"
        remedy = "Leave them out, or compute them from what came before each question."
        risks.append(Risk("attributes that know the future", found, remedy))
    if facts.repeat_share > 0.2:
        found = f"{facts.repeat_share:.0%} of the events are on items the user had before"
        remedy = "Decide whether repeats count (exclude_seen), and say it beside every number."
        risks.append(Risk("repeats", found, remedy))
    if facts.top_share > 0.5:
        found = f"1 % of the items have {facts.top_share:.0%} of the events"
        remedy = "Popular lists will look strong; read coverage and long-tail share beside accuracy."
        risks.append(Risk("few items rule", found, remedy))
    if texts.titled_share > 0 and texts.unique_share < 0.9:
        found = f"{1 - texts.unique_share:.0%} of the titles belong to several items"
        remedy = "One product under several ids splits its events: merge them before."
        risks.append(Risk("titles that repeat", found, remedy))
    return risks


def _user_risks(dataset: Dataset, facts: Facts) -> list[Risk]:
    risks = []
    if facts.largest_user_share > 0.1:
        found = f"{facts.largest_user!r} has {facts.largest_user_share:.0%} of the events"
        risks.append(Risk("one user is many", found, "Remove guest and test accounts."))
    guests = [user for user in dataset.user_ids if _GUESTS.match(user)]
    if guests:
        found = f"user ids such as {', '.join(map(repr, guests[:3]))}"
        remedy = "Give each unknown visitor an id of its own, such as the session's."
        risks.append(Risk("placeholder users", found, remedy))
    return risks
