"""Every sentence of the template is true, cites what it shows, and passes the check."""

import numpy as np
import polars as pl
import pytest

import zhiyin as zy
from zhiyin.data import Catalogue
from zhiyin.interest import Background, check_sentence, describe, gather_evidence, verified_claims
from zhiyin.types import Ragged

DAY = 86_400.0


def row(items, times=None):
    n = len(items)
    when = np.arange(1, n + 1) * DAY if times is None else np.asarray(times, np.float64)
    return Ragged(np.array([0, n]), np.int32(items), when, np.ones(n, np.float32), np.zeros(n, np.int16))


def shop(titles, **attributes):
    frame = {"item_id": [f"p{i}" for i in range(len(titles))], "title": titles, **attributes}
    return Background(Catalogue.from_frame(pl.DataFrame(frame)))


WARES = ["RED MUG", "BLUE LAMP", "TEA SET", "OAK CHAIR", "IRON GATE", "WOOL HAT", "SILK TIE", "GLASS JAR"]


def said(items, background, *, language="en", times=None, now=400 * DAY):
    found = gather_evidence(row(items, times), background, user="u", now=now)
    description = describe(found, language=language)
    kept, rejected = verified_claims(description.text, found)
    assert rejected == () and kept == description.claims
    return description


def test_activity_counts_products_and_purchases_apart_and_minds_the_singular():
    same_day = np.linspace(DAY, 1.5 * DAY, 50)
    fifty = said([0] * 50, shop(WARES), times=same_day, now=2.6 * DAY)
    assert "Bought 1 product in 50 purchases on 1 day. Last seen 1 day ago." in fifty.text
    assert "Bought 3 products on 3 days." in said([0, 1, 2], shop(WARES)).text
    chinese = said([0] * 50, shop(WARES), times=same_day, now=2.6 * DAY, language="zh")
    assert "在1天里分50次买了1种商品。上次出现在1天前。" in chinese.text.replace(" ", "")
    assert check_sentence("Bought 50 products on 1 day.", fifty.evidence) is not None


def test_what_was_bought_once_is_not_bought_often():
    once = said([0], shop(WARES))
    assert once.evidence.of("topic") and once.text.startswith("Bought red mug.")
    assert said([0], shop(WARES), language="zh").text.startswith("买过red mug。")
    assert check_sentence("Often buys red mug.", once.evidence) is not None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_times_nothing_is_said_of_days_or_recency(language):
    found = said([0, 1, 2, 0], shop(WARES), times=np.zeros(4), language=language)
    for word in ["day", "ago", "ecent", "天", "最近", "上次"]:
        assert word not in found.text
    kinds = {line.kind for line in found.evidence.lines}
    assert "recency" not in kinds and {"activity", "product"} <= kinds
    for claim in ["Recently bought RED MUG.", "Bought 3 products on 1 day.", "Last seen 400 days ago."]:
        assert check_sentence(claim, found.evidence) is not None


def test_a_brand_is_preferred_only_above_its_share_and_a_minimum():
    rare = [f"THING NUMBER {i}" for i in range(200)]
    brands = ["Acme"] * 2 + [None] * 198
    # Two of twenty products: above Acme's 1 %, yet a tenth of what was bought.
    assert not said(list(range(20)), shop(rare, brand=brands)).evidence.of("attribute")
    # The whole catalogue is Acme: buying it tells nothing.
    assert not said([0, 1, 2], shop(WARES, brand=["Acme"] * 8)).evidence.of("attribute")
    # The same product again and again is one product.
    assert not said([0] * 9 + [1, 2], shop(WARES, brand=["Acme", *[None] * 7])).evidence.of("attribute")
    found = said([0, 1, 2, 2], shop(WARES, brand=["Acme"] * 2 + ["Bolt"] * 6))
    (line,) = found.evidence.of("attribute")
    assert (line.name, line.value, line.items) == ("brand: Acme", "2 of 3 products", ("p0", "p1"))
    assert line.score == pytest.approx(2 * np.log((2 / 3) / (2 / 8)), abs=1e-3)


def test_claims_cite_the_lines_that_they_show():
    titles = [f"{word} {kind}" for word in ("TEA", "MUG", "HAT", "JAR", "TIE") for kind in ("ONE", "TWO")]
    titles += [f"OTHER {i}" for i in range(90)]
    found = said(list(range(10)), shop(titles))
    topics, products = found.evidence.of("topic"), found.evidence.of("product")
    assert len(topics) > 3 and len(products) == 3
    claims = {claim.text.split()[0]: set(claim.items) for claim in found.claims}
    assert claims["Often"] == {item for line in topics[:3] for item in line.items}
    assert claims["Recently"] == {item for line in products[:2] for item in line.items}
    assert claims["Last"] == {"p9"}


def sweep(users):
    dataset = zy.load_bundled("online-retail")
    background, histories = Background(dataset.catalogue), dataset.histories()
    claims, failed = 0, []
    for user in range(len(histories.lengths)) if users is None else users(len(histories.lengths)):
        at = slice(histories.offsets[user], histories.offsets[user + 1])
        one = row(histories.items[at], histories.times[at])
        found = gather_evidence(one, background, user=None, now=dataset.cut)
        for language in ("en", "zh"):
            description = describe(found, language=language)
            claims += len(description.claims)
            failed += [c.text for c in description.claims if check_sentence(c.text, found) is not None]
            kept, rejected = verified_claims(description.text, found)
            failed += rejected if kept == description.claims else [*rejected, description.text]
    return claims, failed


def test_every_claim_about_600_bundled_users_passes_its_own_check():
    claims, failed = sweep(lambda n: np.random.default_rng(7).choice(n, 600, replace=False))
    assert failed == [] and claims > 5_000


@pytest.mark.slow
def test_every_claim_about_all_bundled_users_passes_its_own_check():
    claims, failed = sweep(None)
    assert failed == [] and claims > 35_000
