"""Name the columns of the data; household/meter/series.py has their units and meanings."""

from typing import Literal

Feature = Literal[
    "global_active_power",
    "global_reactive_power",
    "voltage",
    "global_intensity",
    "sub_metering_1",
    "sub_metering_2",
    "sub_metering_3",
]
TARGET: Feature = "global_active_power"
