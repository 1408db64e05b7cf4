"""Each layout of layouts/, on a small text as its meter, utility or app writes it."""

from datetime import datetime
from typing import NamedTuple

import pytest

from household.readings import layouts
from tests.household.readings.test_texts import parsed, power

pytestmark = pytest.mark.usefixtures("empty_folder")


class Sample(NamedTuple):
    """A text, the step of its readings, and the first time and the power that it means."""

    text: str
    step: str
    first: datetime
    power: list[float]


SECONDS = range(4, 60, 8)
SAMPLES = {
    "refit": Sample(
        "Time,Unix,Aggregate,Appliance1\n"
        + "".join(
            f"2014-03-01 00:00:{s:02},{1393632000 + s},{500 + s},0\n" for s in range(4, 60, 8)
        ),
        "1min",
        datetime(2014, 3, 1),
        [0.528],
    ),
    "shelly": Sample(
        "timestamp,a_total_act_energy,a_total_act_ret_energy,b_total_act_energy,"
        "b_total_act_ret_energy,c_total_act_energy,c_total_act_ret_energy,a_avg_voltage,"
        "a_avg_current,b_avg_current,c_avg_current\n"
        "1709510400,1,0,2,0,3,1,230,1,1,1\n1709510460,2,0,2,0,3,1,230,1,1,1\n",
        "1min",
        datetime(2024, 3, 4),
        [0.3, 0.36],
    ),
    "home_assistant": Sample(
        "entity_id,state,last_changed\nsensor.power,100,2024-03-04T00:00:00.000Z\n"
        "sensor.power,200,2024-03-04T00:01:30.000Z\nsensor.power,unavailable,2024-03-04T00:03:00Z\n"
        "sensor.power,400,2024-03-04T00:04:00.000Z\nsensor.power,300,2024-03-04T00:05:00.000Z\n",
        "1min",
        datetime(2024, 3, 4),
        [0.1, 0.15, 0.2, None, 0.4],  # type: ignore[list-item]
    ),
    "home_assistant_statistics": Sample(
        "statistic_id\tunit\tstart\tmin\tmax\tmean\n"
        "sensor.power\tW\t26.01.2024 12:00\t20\t900\t250.5\n"
        "sensor.power\tW\t26.01.2024 13:00\t20\t900\t300\n",
        "1h",
        datetime(2024, 1, 26, 12),
        [0.2505, 0.3],
    ),
    "enedis": Sample(
        "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;Unite\n"
        "09999999999999;Courbe de charge;27/10/2024;28/10/2024;Energie active;W\n"
        "Horodate;Valeur\n2024-10-27T02:30:00+02:00;208\n2024-10-27T03:00:00+02:00;207\n"
        "2024-10-27T02:30:00+01:00;210\n",
        "30min",
        datetime(2024, 10, 27, 0, 0),
        [0.208, 0.207, 0.21],
    ),
    "national_grid": Sample(
        "Name,A CUSTOMER\nAddress,1 MAIN ST\nAccount Number,00000\nService,Service 1\n\n"
        "TYPE,DATE,START TIME,END TIME,USAGE (kWh),COST,NOTES\n"
        "Electric usage,3/2/23,00:00,00:14,0.25,$0.05,\n"
        "Electric usage,3/2/23,00:15,00:29,0.1,$0.05,\n",
        "15min",
        datetime(2023, 3, 2, 5),
        [1, 0.4],
    ),
    "green_button": Sample(
        "Name,A CUSTOMER\n\nTYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES\n"
        "Electric usage,2022-12-01,00:00,00:29,0.16,kWh,$0.02,\n"
        "Electric usage,2022-12-01,00:30,00:59,0.2,kWh,$0.02,\n",
        "30min",
        datetime(2022, 12, 1),
        [0.32, 0.4],
    ),
    "linz_netz": Sample(
        "Datum von;Datum bis;Energiemenge in kWh;Ersatzwert\n"
        "01.01.2025 00:00;01.01.2025 00:15;0,125;\n01.01.2025 00:15;01.01.2025 00:30;0,25;\n",
        "15min",
        datetime(2024, 12, 31, 23),
        [0.5, 1],
    ),
    "london": Sample(
        "LCLid,stdorToU,DateTime,KWH/hh (per half hour) \n"
        "MAC000002,Std,2013-03-04 00:00:00.0000000, 0.104 \n"
        "MAC000002,Std,2013-03-04 00:30:00.0000000,Null\n"
        "MAC000002,Std,2013-03-04 01:00:00.0000000, 0.2 \n",
        "30min",
        datetime(2013, 3, 4),
        [0.208, None, 0.4],  # type: ignore[list-item]
    ),
    "uci_321": Sample(
        '"";"MT_001";"MT_002"\n"2011-01-01 00:15:00";2,538;22,5\n"2011-01-01 00:30:00";1,25;23\n',
        "15min",
        datetime(2011, 1, 1),
        [2.538, 1.25],
    ),
    "octopus": Sample(
        " Consumption (kwh), Start, End\n"
        "0.25, 2024-10-27T01:30:00+01:00, 2024-10-27T01:00:00Z\n"
        "0.50, 2024-10-27T01:00:00+00:00, 2024-10-27T01:30:00Z\n",
        "30min",
        datetime(2024, 10, 27, 0, 30),
        [0.5, 1],
    ),
    "dsmr": Sample(
        "timestamp,electricity_currently_delivered,electricity_currently_returned\n"
        + "".join(f"2024-03-04 00:00:{s:02}+00,0.5,{s / 100}\n" for s in range(0, 60, 10)),
        "1min",
        datetime(2024, 3, 4),
        [0.25],
    ),
}


def test_each_layout_has_a_sample() -> None:
    assert SAMPLES.keys() == {name for name in layouts.names() if name != "uci"}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_of_each_layout_is_read(name: str) -> None:
    sample = SAMPLES[name]
    table, *_ = parsed(sample.text, {"extends": name}, sample.step).values()
    assert power(table) == pytest.approx(sample.power)
    stamp = table["timestamp"][0].as_py()
    assert stamp.replace(tzinfo=None) - (stamp.utcoffset() or stamp - stamp) == sample.first
