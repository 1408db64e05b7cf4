"""The model card says what the run found, and under which terms its readings may be used."""

from typing import Any

import pytest

from household.report import model_card, tables
from tests.household.report.example_results import SAMPLE, predictions, results

UCI = SAMPLE | {
    "simulated": False, "licence": "CC BY 4.0", "address": "https://uci", "citation": "Hebrail, G."
}  # fmt: skip
OWN = SAMPLE | {"simulated": False, "address": "/home/me/mine.zip"}


def made(source: dict[str, Any], horizon: int = 1) -> str:
    given = results(predictions(4_000, horizon=horizon))._replace(source=source)
    return model_card.render(given, tables.scores(given))


def test_the_card_has_inputs_training_data_and_scores() -> None:
    text = made(UCI)
    table = tables.scores(results(predictions(4_000))).set_index("series")
    lstm = table.loc["LSTM"]
    assert text.startswith("# Forecast of a household's power, one minute ahead\n")
    assert "| global_active_power | kW | 0.2 to 4.5 |\n| global_reactive_power | kvar |" in text
    assert "| readings | 2007-01-01 10:00 to 2007-01-02 02:40 |" in text
    gain = f"{lstm['skill']:.1%} | {lstm['ci_low']:.1%} | {lstm['ci_high']:.1%}"
    errors = f"{lstm['mae_kw']:.4f} | {lstm['mase']:.3f}"
    assert f"| LSTM | {lstm['rmse_kw']:.4f} | {gain} | {errors} |" in text
    assert "| 95% interval | covers " in text
    assert (
        "It gives `mean` (windows, horizon) and `quantiles` (windows, horizon, levels) in" in text
    )
    assert "at the levels 0.025, 0.1, 0.5, 0.9, 0.975." in text
    assert "| train.epochs | 20 |" in text
    assert "of one season" in text
    assert "nan" not in text


def test_the_card_names_a_longer_horizon() -> None:
    assert made(UCI, horizon=4).startswith("# Forecast of a household's power, 4 minutes ahead")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (UCI, "The readings are under CC BY 4.0. Cite them as: Hebrail, G.\n"),
        (OWN, "The readings belong to their owner.\n"),
        (
            SAMPLE,
            "The readings are simulated, so the model has the licence of the code, MIT.\n",
        ),
    ],
)
def test_the_card_ends_with_the_licence_of_the_readings(source: dict[str, Any], said: str) -> None:
    assert made(source).endswith(said)


def test_the_card_names_the_number_of_meters() -> None:
    given = results(predictions(4_000))._replace(source=UCI)
    trained = given.forecaster["trained_on"] | {"meters": 12}
    several = given._replace(forecaster=given.forecaster | {"trained_on": trained})
    text = model_card.render(several, tables.scores(several))
    assert text.startswith("# Forecast of a household's power, one minute ahead\n")
    assert "| meters | 12 |" in text
    assert "It was trained on 12 meters in one season" in text
    assert "on one household in one season" not in text
