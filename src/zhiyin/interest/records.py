"""What the room hands out: claims and descriptions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from zhiyin.interest.evidence import Evidence

__all__ = ["Claim", "Description"]


@dataclass(frozen=True)
class Claim:
    """One sentence about a user and the ids of the items that support it."""

    text: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Description:
    """A user in words.

    ``source``: "template", or "language-model" where its wording passed the check against the
    evidence; ``rejected``: sentences that a model wrote and that were dropped, with the reason.
    """

    user: str | None
    claims: tuple[Claim, ...]
    evidence: Evidence
    source: str
    rejected: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All claims, one after the other; empty for a user without a history."""
        return " ".join(claim.text for claim in self.claims)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "user": self.user,
            "text": self.text,
            "source": self.source,
            "claims": [asdict(claim) for claim in self.claims],
            "evidence": self.evidence.to_dicts(),
            "rejected": list(self.rejected),
        }
