"""Whether the network wins, by how much, and how sure that is, in a sentence or three."""

from collections.abc import Mapping, Sequence
from typing import Any

from household.forecast.scores import EARLIER

WORST = 10
CALLED = {"seen": "meters", "unseen": "meters that it was not trained on"}


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
    if "meters" in metrics:
        count = metrics["meters"]["seen"]["meters"]
        of = f" of {count:,} {'simulated households' if simulated else 'meters'}"
    else:
        of = " of a simulated household" if simulated else ""
    same = "a minute ago" if horizon == 1 else "the last minute"
    said = [
        f'RMSE {lstm:.4f} kW with the LSTM, {naive:.4f} kW with "the same as {same}": '
        f"{_against(verdict, 'persistence', 'persistence')}, on {windows:,} windows"
        + ("" if horizon == 1 else f" of {horizon} minutes ahead")
        + of
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


def of_meters(
    meters: Mapping[str, Mapping[str, Any]], rows: Sequence[Mapping[Any, Any]]
) -> list[str]:
    """On how many meters the LSTM wins, and the worst of them, in the last sentence.

    From the figures of `by_meter.of_each_kind` and the rows of `by_meter.SCHEMA`.
    """
    said = [
        f"Of {of['meters']:,} {CALLED[kind]} the LSTM beats persistence on {of['wins']:.1%} "
        f"({of['wins_low']:.1%} to {of['wins_high']:.1%}), the median gain is {of['median']:.1%} "
        f"({of['median_low']:.1%} to {of['median_high']:.1%}), "
        f"{of['p05']:.1%} to {of['p95']:.1%} on nine of ten"
        for kind, of in meters.items()
        if of["meters"]
    ]
    known = [row for row in rows if row["skill"] is not None]
    worst = sorted(known, key=lambda row: (row["skill"], row["meter"]))[:WORST]
    return [
        *said,
        "Worst: " + ", ".join(f"{row['meter']} {row['skill']:.1%}" for row in worst),
    ]


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
