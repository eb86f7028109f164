"""The same values as trec_eval's, where the definitions agree."""

import numpy as np
import pytest
import pytrec_eval

from zhiyin.evaluate import ranking

MEASURES = {
    "ndcg": "ndcg_cut_5",
    "recall": "recall_5",
    "precision": "P_5",
    "hit_rate": "success_5",
    "average_precision": "map_cut_5",
    "reciprocal_rank": "recip_rank",
}


@pytest.mark.parametrize("name", MEASURES)
def test_equals_trec_eval(name):
    rng = np.random.default_rng(0)
    shown = [rng.permutation(30)[:5] for _ in range(300)]
    # trec_eval divides average precision by all relevant items: at most 5, so that both divide alike.
    truth = [rng.permutation(30)[: rng.integers(1, 6)] for _ in range(300)]
    run = {str(u): {str(i): 5.0 - p for p, i in enumerate(row)} for u, row in enumerate(shown)}
    wanted = {str(u): {str(i): 1 for i in row} for u, row in enumerate(truth)}
    found = pytrec_eval.RelevanceEvaluator(wanted, {MEASURES[name]}).evaluate(run)
    expected = [found[str(u)][MEASURES[name]] for u in range(300)]
    np.testing.assert_allclose(getattr(ranking, name)(shown, truth, 5), expected, atol=1e-12)
