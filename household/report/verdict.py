"""Whether the network wins, said in one sentence."""

from collections.abc import Mapping
from typing import Any


def line(
    lstm: Mapping[str, Any], persistence: Mapping[str, Any], windows: int, simulated: bool
) -> str:
    """The RMSE of the LSTM against that of persistence, from the scores of both."""
    against = (
        "persistence makes no error at all"
        if lstm["skill"] is None
        else f"the LSTM is {abs(lstm['skill']):.1%} {'better' if lstm['skill'] > 0 else 'worse'}"
    )
    return (
        f"RMSE {lstm['rmse_kw']:.4f} kW with the LSTM, {persistence['rmse_kw']:.4f} kW with "
        f'"the same as a minute ago": {against}, on {windows:,} windows'
        + (" of a simulated household" if simulated else "")
    )
