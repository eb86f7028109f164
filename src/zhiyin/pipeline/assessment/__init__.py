"""What a data set supports, before anyone trains: facts, risks, a probe with simple rules, advice."""

from __future__ import annotations

from zhiyin.pipeline.assessment.assess import Assessment, assess
from zhiyin.pipeline.assessment.page import write_assessment

__all__ = ["Assessment", "assess", "write_assessment"]
