"""Who the user is: evidence, descriptions in words, vectors; knows no retriever and no server."""

from __future__ import annotations

from zhiyin.interest.describe import describe
from zhiyin.interest.evidence import Background, Evidence, EvidenceLine, gather_evidence
from zhiyin.interest.match import match
from zhiyin.interest.records import Claim, Description
from zhiyin.interest.vectors import encode_texts, item_cards, item_vectors
from zhiyin.interest.verify import check_sentence, verified_claims

__all__ = [
    "Background",
    "Claim",
    "Description",
    "Evidence",
    "EvidenceLine",
    "check_sentence",
    "describe",
    "encode_texts",
    "gather_evidence",
    "item_cards",
    "item_vectors",
    "match",
    "verified_claims",
]
