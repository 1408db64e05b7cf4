"""State whether the network wins, by how much and how sure that is."""

from collections.abc import Mapping, Sequence
from typing import Any

from household.core.step import MINUTE, Step
from household.evaluation.metrics import PERSISTENCE, PREVIOUS

N_WORST = 10
# Persistence is weak where the best baseline has an error that is smaller by this share.
WEAK = 0.1
# What the line about each kind of meter is called.
TITLES = {"in_training": "over the meters", "held_out": "over held-out meters"}


def lines(
    metrics: Mapping[str, Mapping[str, Any]],
    rows: Sequence[Mapping[Any, Any]],
    *,
    windows: int,
    horizon: int,
    step: Step,
    simulated: bool,
) -> list[str]:
    """Return the `summary`, the `drift_warning` if any, and `meter_lines` of several meters.

    Args:
        metrics: The scores of each forecaster, the verdict and the summary of several meters.
        rows: The rows of all meters, as in `meter_scores.SCHEMA`.
        windows: The number of test windows.
        horizon: The number of steps of the horizon.
        step: The length of a step.
        simulated: Whether the data is simulated.
    """
    found = list(summary(metrics, windows, horizon, step, simulated=simulated).values())
    if warning := drift_warning(metrics["verdict"]):
        found.append(f"warning: {warning}")
    if "meters" in metrics:
        found.extend(meter_lines(metrics["meters"], rows).values())
    return found


def summary(
    metrics: Mapping[str, Mapping[str, Any]],
    windows: int,
    horizon: int,
    step: Step,
    *,
    simulated: bool,
) -> dict[str, str]:
    """Compare the LSTM with other forecasters, a line each, by what the line is about.

    The first line is on the reference, persistence or the best baseline where that is much better.
    There is no line on the best baseline if that is persistence, none on a previous model without
    one, and none on the distribution if the network forecasts none.

    Args:
        metrics: The scores of each forecaster and the verdict.
        windows: The number of test windows.
        horizon: The number of steps of the horizon.
        step: The length of a step.
        simulated: Whether the data is simulated.
    """
    verdict = metrics["verdict"]
    reference, best = reference_baseline(verdict), verdict["best_baseline"]
    data = [f"{windows:,} test windows" + _describe_targets(horizon, step)]
    if "meters" in metrics:
        data.append(count_meters(metrics["meters"]["in_training"]["meters"]))
    if simulated:
        data.append("simulated data")
    titles = {best: "against the best baseline", PERSISTENCE: "against persistence"}
    gains = {
        best: _difference(verdict, "best_"),
        PERSISTENCE: _difference(verdict, "persistence_"),
    }
    errors = {name: f"{metrics[name]['rmse_kw']:.4f} kW" for name in ("LSTM", *titles)}
    lines = {
        titles[reference]: f"LSTM RMSE {errors['LSTM']}, {reference} {errors[reference]}: "
        f"{gains[reference]}, {', '.join(data)}"
    }
    if metrics["distribution"]:
        lines["distribution"] = _describe_distribution(metrics)
    if best != PERSISTENCE:
        other = best if reference == PERSISTENCE else PERSISTENCE
        name = f"Best baseline, {best}," if other == best else "Persistence"
        lines[titles[other]] = f"{name} RMSE {errors[other]}: the LSTM is {gains[other]}"
    if "previous_skill" in verdict:
        lines["against the previous LSTM"] = (
            f"Previous LSTM RMSE {metrics[PREVIOUS]['rmse_kw']:.4f} kW: the LSTM is "
            f"{_difference(verdict, 'previous_')}"
        )
    return lines


def figures(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return the few figures that a report shows large, by name: each, and what to see beside it.

    They are the RMSE of the LSTM, its difference from that of the reference and of the other one of
    persistence and the best baseline, and the coverage of the 80 % interval if there is one.

    Args:
        metrics: The scores of each forecaster and the verdict.
    """
    verdict = metrics["verdict"]
    reference, best = reference_baseline(verdict), verdict["best_baseline"]
    prefixes = {best: "best_", PERSISTENCE: "persistence_"}
    baselines = [reference, *(name for name in prefixes if name != reference)]
    beside = ", ".join(f"{name} {metrics[name]['rmse_kw']:.4f}" for name in baselines)
    shown = {"RMSE": (f"{metrics['LSTM']['rmse_kw']:.4f} kW", f"{beside} kW")}
    for name in baselines:
        shown[f"RMSE against {name}"] = _difference_and_interval(verdict, prefixes[name])
    if intervals := metrics["intervals"].get("LSTM"):
        shown["within the 80% interval"] = (
            f"{intervals['coverage_80']:.1%}",
            f"{intervals['coverage_95']:.1%} within the 95% interval",
        )
    return shown


def reference_baseline(verdict: Mapping[str, Any]) -> str:
    """Return the baseline to judge by: persistence, or the best one where that is much better."""
    skill, best_skill = verdict["persistence_skill"], verdict["best_skill"]
    if skill is None or best_skill is None:
        return PERSISTENCE
    # The error of the LSTM is 1 - skill of that of the baseline.
    is_weak = 1 - skill < (1 - WEAK) * (1 - best_skill)
    return verdict["best_baseline"] if is_weak else PERSISTENCE


def _describe_targets(horizon: int, step: Step) -> str:
    """Return what a window forecasts; nothing for the next minute."""
    if horizon > 1:
        return f" of {horizon} {step.nouns}"
    return "" if step == MINUTE else f" of one {step.noun}"


def _describe_distribution(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Compare the distribution with the best other one, and state how often intervals hold."""
    others = metrics["distribution"]
    best = min(others, key=lambda name: metrics[name]["crps_kw"])
    intervals = metrics["intervals"]["LSTM"]
    return (
        f"Distribution: CRPS {metrics['LSTM']['crps_kw']:.4f} kW, {best} "
        f"{metrics[best]['crps_kw']:.4f} kW: {_difference(others[best])}; the 80% interval covers "
        f"{intervals['coverage_80']:.1%} and the 95% interval {intervals['coverage_95']:.1%}"
    )


def meter_lines(
    meters: Mapping[str, Mapping[str, Any]], rows: Sequence[Mapping[Any, Any]]
) -> dict[str, str]:
    """State on how many meters the LSTM wins, and the worst of them, by what a line is about.

    Args:
        meters: The summaries of `meter_scores.summarize_by_training`.
        rows: The rows of all meters, as in `meter_scores.SCHEMA`.
    """
    lines = {
        title: f"Better than persistence on {summary['wins']:.1%} of "
        f"{count_meters(summary['meters'], kind)} (95% CI {summary['wins_low']:.1%} to "
        f"{summary['wins_high']:.1%}); median gain {summary['median']:.1%} "
        f"({summary['median_low']:.1%} to {summary['median_high']:.1%}), "
        f"5th to 95th percentile {summary['p05']:.1%} to {summary['p95']:.1%}"
        for kind, title in TITLES.items()
        if (summary := meters.get(kind)) and summary["meters"]
    }
    scored = [row for row in rows if row["skill"] is not None]
    worst = sorted(scored, key=lambda row: (row["skill"], row["meter"]))[:N_WORST]
    named = ", ".join(f"{row['meter']} {row['skill']:.1%}" for row in worst)
    return lines | {"worst meters": f"Worst: {named}"}


def count_meters(count: int, kind: str = "in_training") -> str:
    """Return a number of meters in words.

    Args:
        count: The number.
        kind: `in_training`, or `held_out` for meters that were not used for training.
    """
    noun = "meter" if count == 1 else "meters"
    apart = " not used for training" if kind == "held_out" else ""
    return f"{count:,} {noun}{apart}"


def drift_warning(verdict: Mapping[str, Any]) -> str | None:
    """Return a warning if the skill in the last month is below the interval of the test split."""
    last, low = verdict["last_month_skill"], verdict["persistence_low"]
    if last is None or low is None or last >= low:
        return None
    return (
        f"The gain over persistence in the last month, {verdict['last_month']}, is {last:.1%}, "
        f"below the confidence interval of all months, {low:.1%} to "
        f"{verdict['persistence_high']:.1%}: the household may have changed since the training"
    )


def _difference(figures: Mapping[str, Any], prefix: str = "") -> str:
    """Return by how much a score of the LSTM is lower or higher, with the confidence interval."""
    difference, interval = _difference_and_interval(figures, prefix)
    return f"{difference} ({interval})" if interval else difference


def _difference_and_interval(figures: Mapping[str, Any], prefix: str) -> tuple[str, str]:
    """Return by how much a score of the LSTM is lower or higher, and the confidence interval."""
    skill, low, high = (figures[f"{prefix}{key}"] for key in ("skill", "low", "high"))
    if skill is None:
        return "no error to compare with", ""
    sign, word = (1, "lower") if skill > 0 else (-1, "higher")
    ci = "no CI"
    if low is not None:
        first, last = sorted((sign * low, sign * high))
        ci = f"95% CI {first:.1%} to {last:.1%}"
    return f"{abs(skill):.1%} {word}", ci
