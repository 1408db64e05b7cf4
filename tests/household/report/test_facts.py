"""What the report says in words."""

from typing import Any

import pytest

from household.report import caveats, facts
from household.report.results import Results
from tests.household.report.example_results import METERS, SAMPLE, predictions, results
from tests.project import leaves, tutorial


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"simulated": True, "licence": None, "address": "simulated"}, "simulated household"),
        ({"simulated": False, "licence": "CC BY 4.0", "address": "x.zip"}, "UCI household"),
        ({"simulated": False, "licence": None, "address": "https://a.org/b/c.zip"}, "c.zip"),
    ],
)
def test_the_zip_of_a_source_has_a_plain_name(source: dict[str, object], name: str) -> None:
    assert facts.source_label(source) == name


def test_the_facts_are_those_of_the_run() -> None:
    table = facts.facts(results(predictions(4_000))).set_index("name")["text"]
    assert table["source"] == "Simulated, not real: simulated household, seed 0"
    assert table["readings"] == "2007-01-30 17:24 to 2007-04-01 23:59, 89,676 minutes"
    assert table["missing"] == (
        "1,443 minutes without a value, 5 without a row; 2 gaps of up to 1,440 minutes; "
        "2 bad lines skipped"
    )
    assert table["test split"] == "2007-03-31 21:58 to 2007-04-20 08:31, 4,000 minutes"
    assert table["reads"] == "49 minutes of 7 columns and their changes"
    assert table["forecasts"] == ("the mean and 5 quantiles of the power in the next minute")
    assert table["network"] == "the mean of 3 networks, LSTM layers of 64 and 96 units"
    assert table["headline"].startswith("The LSTM's error is 80.1% smaller than that of linear")
    assert table["distribution"] == (
        "Distribution: CRPS 0.0993 kW, persistence 1.4387 kW: 93.1% lower (95% CI 93.1% to 93.3%); "
        "the 80% interval covers 79.2% and the 95% interval 95.5%"
    )
    real = results(predictions(9))._replace(
        source=SAMPLE | {"simulated": False, "address": "a.zip"}
    )
    assert facts.facts(real).set_index("name")["text"]["source"] == (
        "Readings of a real meter: a.zip"
    )


def test_the_facts_say_what_is_known_of_each_target() -> None:
    settings: dict[str, Any] = {
        "window.lag_days": [1, 7],
        "window.calendar": ["hour", "season"],
        "window.known_ahead": ["temperature"],
    }
    table = facts.facts(results(predictions(9), **settings)).set_index("name")["text"]
    assert table["reads"].endswith(
        "; of each target the profile of 7 days, the power 1 and 7 days before, the calendar "
        "(hour, season), the temperature"
    )


def test_coverage_is_reported_and_a_caveat_where_it_is_off() -> None:
    made = results(predictions(4_000))  # 0.25 and 0.4 kW off errors with a deviation of 0.2 kW
    texts = facts.facts(made).set_index("name")["text"]
    held = made.interval_scores("all", "all", "LSTM")
    assert texts["80% interval"].startswith(
        f"covers {held[0.8]['coverage']:.1%} of the test minutes and "
    )
    assert "mean width 0.50 kW" in texts["80% interval"]
    score = made.interval_scores("all", "all", "persistence")[0.95]["winkler_kw"]
    assert texts["95% interval"].endswith(f", persistence {score:.3f} kW")
    assert not any("miss their coverage" in caveat for caveat in caveats.caveats(made))
    narrow = made._replace(coverage=made.coverage.assign(coverage=0.9))
    assert any("90.0%, not 80%; 90.0%, not 95%" in caveat for caveat in caveats.caveats(narrow))
    alone = made._replace(coverage=made.coverage[made.coverage["forecaster"] == "LSTM"])
    texts = facts.facts(alone).set_index("name")["text"]
    score = made.interval_scores("all", "all", "LSTM")[0.95]["winkler_kw"]
    assert texts["95% interval"].endswith(f"Winkler score (lower is better) {score:.3f} kW")


def verdict(persistence: float, best: float, name: str = "linear", **others: Any) -> Results:
    """Results with that skill of the LSTM against persistence and against the best baseline."""
    made = results(predictions(9))
    figures = {"best_baseline": name, "persistence_skill": persistence, "best_skill": best}
    ends = {"persistence_low": None, "persistence_high": None, "best_low": None, "best_high": None}
    scores = made.metrics | {name: made.metrics["linear"] | {"crps_kw": 1.0}}
    return made._replace(
        metrics=scores | {"verdict": made.metrics["verdict"] | figures | ends | others}
    )


@pytest.mark.parametrize(
    ("persistence", "best", "name", "said"),
    [
        (0.24, 0.2, "linear", "24.0% smaller than that of persistence"),
        (0.129, -0.02, "linear", "2.0% larger than that of linear, the best baseline"),
        (-0.3, -0.5, "LightGBM", "50.0% larger than that of LightGBM, the best baseline"),
        (0.1, 0.1, "persistence", "10.0% smaller than that of persistence"),
        (-0.1, -0.1, "persistence", "10.0% larger than that of persistence"),
    ],
)
def test_the_headline_names_a_better_baseline(
    persistence: float, best: float, name: str, said: str
) -> None:
    texts = facts.facts(verdict(persistence, best, name)).set_index("name")["text"]
    assert texts["headline"] == f"The LSTM's error is {said}"


def test_the_interval_of_a_larger_error_is_one_of_larger_errors() -> None:
    gains: dict[str, Any] = {"persistence_low": 0.2, "persistence_high": 0.3}
    made = verdict(0.24, -0.02, best_low=-0.04, best_high=0.01, **gains)
    texts = facts.facts(made).set_index("name")["text"]
    assert "24.0% lower (95% CI 20.0% to 30.0%)" in texts["against persistence"]
    assert "2.0% higher (95% CI -1.0% to 4.0%)" in texts["against the best baseline"]
    assert texts["headline"].endswith(
        "2.0% larger than that of linear, the best baseline, which may be chance"
    )


def test_an_uncertain_gain_over_the_best_baseline_is_a_caveat() -> None:
    said = " ".join(caveats.caveats(verdict(0.2, 0.01, best_low=-0.01, best_high=0.02)))
    assert "The confidence interval of the gain over linear, the best baseline, contains 0" in said
    sure = " ".join(caveats.caveats(verdict(0.2, 0.05, best_low=0.01, best_high=0.09)))
    assert "chance" not in sure


@pytest.mark.parametrize(("skill", "doubted"), [(-167.0, True), (-0.9, False), (0.2, False)])
def test_a_diverged_training_is_a_caveat(skill: float, doubted: bool) -> None:
    said = " ".join(caveats.caveats(verdict(skill, skill)))
    assert ("The training diverged" in said) == doubted


def test_caveats_of_the_readings_are_included() -> None:
    made = results(predictions(9))
    quality = made.quality | {"caveats": ["the mean power is 453 kW, but a household has 0.2 to 2"]}
    said = list(caveats.caveats(made._replace(quality=quality)))
    assert said[0] == "The readings: the mean power is 453 kW, but a household has 0.2 to 2."


def test_the_verdict_says_where_persistence_is_closer() -> None:
    made = predictions(600)
    change = (made["actual"] - made["persistence"]).abs()
    # Right where the power moves by half a kilowatt or more, and by as much off where it does not.
    made["LSTM"] = made["actual"].where(change >= 0.5, made["actual"] + 0.5)
    texts = facts.facts(results(made)).set_index("name")["text"]
    share = (change.round(4) < 0.5).mean()
    assert texts["where it wins"] == (
        f"Persistence is closer in the {share:.0%} of the minutes in which the power changes by "
        "less than 0.5 kW, the LSTM in the others"
    )
    made["LSTM"] = made["actual"]
    assert "where it wins" not in set(facts.facts(results(made))["name"])
    made["LSTM"] = made["actual"] + 20
    texts = facts.facts(results(made)).set_index("name")["text"]
    assert texts["where it wins"].endswith("at any size of change")


def test_shortcuts_are_a_section_only_where_some_are_taken() -> None:
    assert "shortcuts" not in set(facts.facts(results(predictions(9)))["section"])
    taken = facts.facts(results(predictions(9), **tutorial()))
    assert len(taken[taken["section"] == "shortcuts"]) == 5


def test_a_worse_network_is_reported_like_a_better_one() -> None:
    made = predictions(4_000)
    made["LSTM"], made["persistence"] = made["persistence"].copy(), made["LSTM"].copy()
    texts = facts.facts(results(made)).set_index("name")["text"]
    assert "% larger than" in texts["headline"]
    assert not any("may be chance" in caveat for caveat in caveats.caveats(results(made)))
    said = " ".join(caveats.caveats(results(made)))
    assert "does not beat persistence" in said
    assert "Linear has a smaller error" in said


def test_an_uncertain_gain_is_a_caveat() -> None:
    made = predictions(4_000)
    errors = made["persistence"] - made["actual"]
    made["LSTM"] = made["actual"] + errors.sample(frac=1, random_state=0).to_numpy()
    assert any("may be chance" in caveat for caveat in caveats.caveats(results(made)))


@pytest.mark.parametrize(
    ("last", "low", "warned"),
    [
        (0.19, 0.2, True),
        (0.2, 0.2, False),
        (-0.1, 0.2, True),
        (None, 0.2, False),
        (0.1, None, False),
    ],
)
def test_a_last_month_below_the_interval_is_a_warning(
    last: float | None, low: float | None, warned: bool
) -> None:
    made = results(predictions(9))
    figures = {"last_month": "2007-04", "last_month_skill": last}
    made.metrics["verdict"] |= figures | {"persistence_low": low, "persistence_high": 0.3}
    said = " ".join(caveats.caveats(made))
    assert ("The gain over persistence in the last month, 2007-04, is " in said) == warned
    if warned:
        assert (
            f"is {last:.1%}, below the confidence interval of all months, 20.0% to 30.0%: " in said
        )


def test_a_better_or_overlapping_previous_model_is_a_caveat() -> None:
    made = results(predictions(9))
    assert "previous" not in " ".join(caveats.caveats(made))
    figures = {"previous_low": None, "previous_high": None, "previous_training_overlap": 1_234}
    made.metrics["verdict"] |= figures | {"previous_skill": -0.01}
    made.metrics["previous LSTM"] = made.metrics["LSTM"]
    said = " ".join(caveats.caveats(made))
    assert "The previous LSTM has a smaller error: keep using it." in said
    assert "The previous LSTM was trained on 1,234 of the test minutes, so" in said
    texts = facts.facts(made).set_index("name")["text"]
    assert texts["against the previous LSTM"].startswith("Previous LSTM RMSE ")


def test_the_shortcuts_are_those_of_the_tutorial() -> None:
    ours, theirs = results(predictions(9)), results(predictions(9), **tutorial())
    assert set(caveats.shortcuts(ours.params).values()) == {"no"}
    taken = [name for name, text in caveats.shortcuts(theirs.params).items() if text != "no"]
    assert len(taken) == 4
    assert any(taken[0] in caveat for caveat in caveats.caveats(theirs))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "The data is simulated"),
        ({}, "with seed 0"),
        ({"seed": 7}, "with seed 7"),
        ({}, "no confidence interval"),
        ({}, "of one season"),
        ({"window.use_fraction": 0.5}, "only the first part"),
    ],
)
def test_caveats_are_reported(changes: dict[str, Any], said: str) -> None:
    assert any(said in caveat for caveat in caveats.caveats(results(predictions(9), **changes)))


def test_real_data_and_a_long_test_split_have_fewer_caveats() -> None:
    made = results(predictions(1440 * 28))._replace(source=SAMPLE | {"simulated": False})
    said = " ".join(caveats.caveats(made))
    assert "simulated" not in said
    assert "season" not in said
    assert "chance" not in said


def test_the_settings_are_all_parameters() -> None:
    made = results(predictions(9))
    table = facts.settings(made).set_index("setting")["value"]
    assert table.index.tolist() == [
        key for key, _ in leaves(made.params.model_dump(exclude_unset=True))
    ]
    assert table["train.units"] == "64, 96"
    assert table["train.patience"] == "none"
    assert table["seed"] == "0"
    assert table["split.purge"] == "true"
    assert table["window.use_fraction"] == "1"


def test_wins_and_the_worst_meters_are_reported() -> None:
    made = results(predictions(4_000))
    of = {"meters": 3, "wins": 0.5, "wins_low": 0.1, "wins_high": 0.9, "median": 0.2}
    of |= {"median_low": 0.1, "median_high": 0.3, "p05": -0.1, "p95": 0.4}
    # The order of metrics.json.
    kinds = {"held_out": of | {"meters": 1}, "in_training": of}
    several = made._replace(meters=METERS, metrics=made.metrics | {"meters": kinds})
    texts = facts.facts(several).set_index("name")["text"]
    assert texts["over the meters"] == (
        "Better than persistence on 50.0% of 3 meters (95% CI 10.0% to 90.0%); median gain 20.0% "
        "(10.0% to 30.0%), 5th to 95th percentile -10.0% to 40.0%"
    )
    assert "on 50.0% of 1 meter not used for training (" in texts["over held-out meters"]
    assert texts["worst meters"] == "Worst: a -10.0%, b 25.0%, d 50.0%"
    of_training = several._replace(metrics=made.metrics | {"meters": {"in_training": of}})
    assert "over held-out meters" not in set(facts.facts(of_training)["name"])
    assert texts["against the best baseline"].endswith(
        "4,000 test windows, 3 meters, simulated data"
    )
    assert texts["meters"] == "4, 1 of them not used for training"
    said = list(caveats.caveats(several))
    assert "On 1 of 2 meters the LSTM does not beat persistence." in said
    assert not any("not used for training" in caveat for caveat in said)
    worse = METERS.assign(skill=-0.1)
    said = list(caveats.caveats(several._replace(meters=worse)))
    assert "On 1 of 1 meter not used for training the LSTM does not beat persistence." in said
    # The gain of all meters together may have an interval though each has less than two days.
    of_all = several.metrics["verdict"] | {"persistence_low": 0.1, "persistence_high": 0.2}
    known = several._replace(metrics=several.metrics | {"verdict": of_all})
    assert not any("no confidence interval" in caveat for caveat in caveats.caveats(known))


def test_the_figures_begin_with_the_reference() -> None:
    def figures(made: Results) -> list[tuple[str, str, str]]:
        rows = facts.facts(made)
        chosen = rows[rows["section"] == "figures"]
        return list(chosen[["name", "text", "detail"]].itertuples(index=False, name=None))

    weak = figures(results(predictions(4_000)))
    assert [name for name, *_ in weak] == [
        "RMSE", "RMSE against linear", "RMSE against persistence", "within the 80% interval",
    ]  # fmt: skip
    assert weak[1][1].endswith(" lower")
    assert weak[1][2].startswith("95% CI ")
    assert weak[3][1:] == ("79.2%", "95.5% within the 95% interval")
    alone = figures(verdict(-0.1, -0.1, "persistence"))
    assert [name for name, *_ in alone][:2] == ["RMSE", "RMSE against persistence"]
    assert alone[1][1:] == ("10.0% higher", "no CI")
