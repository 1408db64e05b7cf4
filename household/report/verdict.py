"""Whether the network wins, by how much, and how sure that is, in a sentence or three."""

from collections.abc import Mapping
from typing import Any

from household.forecast.scores import EARLIER


def lines(
    metrics: Mapping[str, Mapping[str, Any]], windows: int, horizon: int, simulated: bool
) -> list[str]:
    """The LSTM against persistence, the best baseline where that is another, and an earlier one.

    From the scores of each forecaster and what `comparison.verdict` found. In brackets stands the
    95 % interval of the gain, which takes two days of minutes.
    """
    verdict = metrics["verdict"]
    lstm, best = metrics["LSTM"]["rmse_kw"], verdict["best_baseline"]
    naive = metrics["persistence"]["rmse_kw"]
    same = "a minute ago" if horizon == 1 else "the last minute"
    said = [
        f'RMSE {lstm:.4f} kW with the LSTM, {naive:.4f} kW with "the same as {same}": '
        f"{_against(verdict, 'persistence', 'persistence')}, on {windows:,} windows"
        + ("" if horizon == 1 else f" of {horizon} minutes ahead")
        + (" of a simulated household" if simulated else "")
    ]
    if best != "persistence":
        said.append(
            f"RMSE {metrics[best]['rmse_kw']:.4f} kW with {best}, the best baseline: "
            f"{_against(verdict, 'best', best)}"
        )
    if "earlier_skill" in verdict:
        said.append(
            f"RMSE {metrics[EARLIER]['rmse_kw']:.4f} kW with the {EARLIER}: "
            f"{_against(verdict, 'earlier', EARLIER)}"
        )
    return said


def drift(verdict: Mapping[str, Any]) -> str | None:
    """A warning where the skill in the last month is below the interval of the whole test part."""
    last, low = verdict["last_month_skill"], verdict["persistence_low"]
    if last is None or low is None or last >= low:
        return None
    return (
        f"in the last month, {verdict['last_month']}, the gain over persistence is {last:.1%}, "
        f"below the interval of all months, {low:.1%} to {verdict['persistence_high']:.1%}: "
        "the house may have changed since the training"
    )


def _against(verdict: Mapping[str, Any], prefix: str, name: str) -> str:
    skill, low, high = (verdict[f"{prefix}_{key}"] for key in ("skill", "low", "high"))
    if skill is None:
        return f"{name} makes no error at all"
    sure = "no interval" if low is None else f"{low:.1%} to {high:.1%}"
    return f"the LSTM is {abs(skill):.1%} {'better' if skill > 0 else 'worse'} ({sure})"
