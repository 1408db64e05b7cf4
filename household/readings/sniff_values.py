"""Find the columns of a table that hold numbers, and guess what they are."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from household.core.layout import ENERGY_UNITS, NULL_VALUES, POWER_UNITS
from household.core.schema import Float64
from household.readings import numbers
from household.readings.text_format import FACTORS, TextFormat

# Words in the headers of a power or energy, and of something else.
WORDS = {
    "power or energy": (
        r"global_active|aggregate|total|energ|power|puissance|leistung|usage|consum|verbrauch|"
        r"conso|demand|load|kwh|import|delivered|grid|main|state|value|valeur|wert|k?wh?\b|use\b|^p$"
    ),
    "something else": (
        r"volt|current|courant|strom\b|cost|price|prix|preis|temp|humid|reactive|kvar|factor|co2|"
        r"return|export|ret_|einspeis|produc|solar|\bgen\b|inject|sub_|apparent|freq|nsm|index$|id$|"
        r"^(v|i|f|q|s|pf|dpf|apf)$"
    ),
}
UNIT = re.compile(r"(?<![A-Za-z])(?:[kM]?Wh?|[kKmM]?WH?|wh?|[km]wh?)(?![A-Za-z])")
ENERGY = re.compile("energ|consum|conso|verbrauch|usage", re.IGNORECASE)
# A mean above so many units is hardly of a household in that unit.
LARGEST_MEAN_KW = 20
# So many of the texts of a column must be numbers.
SHARE = 0.8


class Column(NamedTuple):
    """Hold a column of numbers.

    Attributes:
        position: Its position.
        values: The numbers, NaN where missing: (rows,).
        decimal: The decimal separator.
        thousands: The separator of thousands, if there is one.
        unit: The unit behind the numbers, "" if there is none.
    """

    position: int
    values: Float64
    decimal: str
    thousands: str | None
    unit: str


def column_of_numbers(position: int, texts: Sequence[str]) -> Column | None:
    """Return a column if most of its texts (rows,) are numbers, else None."""
    known = [text for text in texts if text not in NULL_VALUES]
    units = Counter(match[1] for text in known if (match := re.search(r"[0-9] ?([kM]?Wh?)$", text)))
    unit = units.most_common(1)[0][0] if units else ""
    decimal, thousands = _separators([text.removesuffix(unit).strip() for text in known])
    form = TextFormat(
        columns={},
        time_columns=(),
        decimal=decimal,
        thousands=thousands,
        null_values=NULL_VALUES,
        unit=unit or "kW",
    )
    values, wrong = numbers.parse_numbers(pa.chunked_array([list(texts)], pa.string()), form, 1.0)
    if not known or wrong.mean() > 1 - SHARE or not np.isfinite(values).any():
        return None
    return Column(position, values, decimal, thousands, unit)


def _separators(texts: Sequence[str]) -> tuple[str, str | None]:
    """Return the separators of decimals and of thousands in some numbers."""
    for decimal, thousands in ((".", ","), (",", ".")):
        grouped = re.compile(rf"[+-]?[0-9]{{1,3}}(\{thousands}[0-9]{{3}})+(\{decimal}[0-9]*)?")
        plain = re.compile(rf"[+-]?[0-9]*(\{decimal}[0-9]*)?([eE][+-]?[0-9]+)?")
        with_both = any(decimal in text and thousands in text for text in texts)
        fits = all(plain.fullmatch(text) or grouped.fullmatch(text) for text in texts)
        if fits and (with_both or all(map(plain.fullmatch, texts))):
            return decimal, thousands if with_both else None
    return ".", None


def score(name: str) -> int:
    """Return how much the header of a column is like that of a power or energy."""
    good, bad = (bool(re.search(words, name, re.IGNORECASE)) for words in WORDS.values())
    return 2 * bool(UNIT.search(name)) + good - 3 * bad


def preference(name: str, column: Column) -> tuple[float, ...]:
    """Return how likely a column with this header is the power or energy, for `max`."""
    varies = float(np.nanmin(column.values) < np.nanmax(column.values))
    return (score(name) + varies, -column.position)


def guess_quantity(
    name: str, unit_behind: str, values: Float64, interval: int
) -> tuple[dict[str, Any], list[str]]:
    """Return quantity and unit of a column, and what is unsure about them."""
    known = values[np.isfinite(values)]
    changes = np.diff(known)
    grows = len(known) > 20 and (changes > 0).sum() > 20 and (changes < 0).mean() < 0.01
    match = UNIT.search(name)
    said = unit_behind or (_normalized(match[0]) if match else "")
    doubts = [] if said else ["the unit: no header says it, so it is guessed by the size"]
    hours = interval / 3_600_000
    if grows:
        quantity, mean = "register", float(changes[changes > 0].sum()) / max(len(known), 1) / hours
        doubts.append("whether it is a register: its values only grow")
    elif said in ENERGY_UNITS or (not said and ENERGY.search(name)):
        quantity, mean = "energy", float(known.mean()) / hours
    else:
        quantity, mean = "power", float(known.mean())
    units = POWER_UNITS if quantity == "power" else ENERGY_UNITS
    unit = said if said in units else ""
    if not unit:
        unit = units[0] if abs(mean) > LARGEST_MEAN_KW else units[1]
    if said and said not in units:
        doubts.append(f"the unit: the header says {said}, but its values are like a {quantity}")
    if abs(mean) * FACTORS[unit] > 100:
        doubts.append(f"the size: a mean of {mean * FACTORS[unit]:,.0f} kW is no household's")
        return {"quantity": quantity, "unit": unit, "accept": ["large_power"]}, doubts
    return {"quantity": quantity, "unit": unit}, doubts


def _normalized(unit: str) -> str:
    """Return a unit as in a layout, such as kWh for KWH."""
    prefix = {"k": "k", "m": "M"}.get(unit[0].lower(), "") if unit[0].lower() != "w" else ""
    return f"{prefix}W{'h' if unit.lower().endswith('h') else ''}"
