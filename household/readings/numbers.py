"""Parse the numbers of a text of readings."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from household.core import arrow
from household.core.schema import Float64, Mask
from household.readings import lines
from household.readings.text_format import TextFormat

NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def parse_sum(
    terms: Sequence[tuple[pa.ChunkedArray, bool]], layout: TextFormat, factor: float
) -> tuple[Float64, Mask]:
    """Parse the columns of a sum as `parse_numbers` does, and add them.

    Args:
        terms: The numbers of each column as text, and whether it is subtracted.
        layout: As in `parse_numbers`.
        factor: As in `parse_numbers`.

    Returns:
        The sums (rows,), NaN where a term is missing or wrong, and whether a text is wrong.
    """
    total, wrong = parse_numbers(terms[0][0], layout, -factor if terms[0][1] else factor)
    for texts, is_subtracted in terms[1:]:
        numbers, is_wrong = parse_numbers(texts, layout, -factor if is_subtracted else factor)
        total, wrong = total + numbers, wrong | is_wrong
    return total, wrong


def parse_numbers(
    texts: pa.ChunkedArray, layout: TextFormat, factor: float
) -> tuple[Float64, Mask]:
    """Parse numbers.

    Args:
        texts: The numbers as text.
        layout: The separators of decimals and thousands, the texts of a missing value, and a unit
            that may stand behind a number.
        factor: What to multiply each number by.

    Returns:
        The numbers (rows,), NaN where missing or wrong, and whether each text is wrong: neither a
        number nor missing.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    missing = arrow.to_numpy(pc.is_in(trimmed, pa.array(layout.null_values, pa.string())))
    trimmed = pc.replace_substring_regex(trimmed, f" ?{re.escape(layout.unit)}$", "")
    if layout.thousands:
        mark = re.escape(layout.thousands)
        is_grouped = pc.match_substring_regex(
            trimmed, f"^[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})+([^0-9{mark}]|$)"
        )
        grouped = pc.replace_substring(trimmed, layout.thousands, "")
        trimmed = pc.if_else(is_grouped, grouped, trimmed)
    if layout.decimal == ",":
        # A point may then separate thousands, so refuse it rather than guess.
        trimmed = pc.replace_substring(pc.replace_substring(trimmed, ".", "point"), ",", ".")
    numbers = parse_floats(trimmed) * factor
    is_valid = np.abs(numbers) <= lines.FLOAT32_MAX
    return np.where(missing | ~is_valid, np.nan, numbers), ~is_valid & ~missing


def parse_floats(texts: pa.ChunkedArray) -> Float64:
    """Return each text as a number, NaN where it is not one."""
    is_number = pc.match_substring_regex(texts, NUMBER)
    return arrow.to_numpy(pc.if_else(is_number, texts, None).cast(pa.float64()).fill_null(np.nan))
