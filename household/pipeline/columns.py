"""The columns of the data by name; household/meter/series.py says what each of them is."""

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
