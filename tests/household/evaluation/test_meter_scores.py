"""How the skill is distributed over the meters, against figures that are known."""

import numpy as np
import pytest

from household.evaluation import meter_scores


def rows(skills: list[float | None], off: float = 0.1) -> list[dict[str, object]]:
    return [
        {"meter": str(place), "in_training": True, "skill": of}
        | {"ci_low": None if of is None else of - off, "ci_high": None if of is None else of + off}
        for place, of in enumerate(skills)
    ]


def test_quantiles_wins_and_intervals_are_those_of_the_meters() -> None:
    skills = np.random.default_rng(3).normal(0.1, 0.2, 400)
    found = meter_scores.summarize_skill(rows([*skills.tolist(), None]))
    assert found["meters"] == 400
    assert found["mean"] == pytest.approx(skills.mean(), abs=1e-6)
    assert [found[name] for name in ("p05", "median", "p95")] == pytest.approx(
        np.quantile(skills, [0.05, 0.5, 0.95]), abs=1e-6
    )
    share = (skills > 0).mean()
    assert found["wins"] == pytest.approx(share, abs=1e-6)
    # A share of n meters has about this standard error.
    error = (share * (1 - share) / 400) ** 0.5
    assert found["wins_low"] == pytest.approx(share - 1.96 * error, abs=error / 3)
    assert found["wins_high"] == pytest.approx(share + 1.96 * error, abs=error / 3)
    assert found["median_low"] < found["median"] < found["median_high"]
    assert found["sure_wins"] == pytest.approx((skills > 0.1).mean(), abs=1e-6)
    assert found["sure_losses"] == pytest.approx((skills < -0.1).mean(), abs=1e-6)


def test_without_any_skill_the_summary_is_empty() -> None:
    assert meter_scores.summarize_skill(rows([None])) == {"meters": 0}
    both = rows([0.5, -0.5])
    both[1]["in_training"] = False
    found = meter_scores.summarize_by_training(both)
    assert [found[kind]["median"] for kind in ("in_training", "held_out")] == [0.5, -0.5]
    assert set(meter_scores.summarize_by_training(both[:1])) == {"in_training"}
