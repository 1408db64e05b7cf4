"""Read the steps of a series, averaged from its readings."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from household.core import arrow, schema
from household.core.schema import TARGET, Float64, Times
from household.core.step import Step
from household.readings.resample import Resampler
from household.readings.text_format import TextFormat


class StepReader:
    """Read the steps of a series once: iterate over it for tables of schema.SCHEMA.

    Attributes:
        readings: The number of readings so far.
        resets: How often a register has fallen so far.
        other_interval: As in `Resampler`.
        above_max: How many readings so far were above the largest power that is no error.
    """

    def __init__(
        self,
        tables: Iterable[pa.Table],
        step: Step,
        layout: TextFormat,
        *,
        interval: Callable[[], int | None],
        eager: bool = False,
    ) -> None:
        """Prepare to average the readings of a series.

        Args:
            tables: Its readings, with the columns of schema.SCHEMA, in time order.
            step: The length of the steps.
            layout: As in `Resampler`.
            interval: Returns the usual time between two readings in milliseconds, once it is known
                from the tables that have been read; before that None.
            eager: As in `Resampler`.
        """
        self._tables, self._step, self._layout = tables, step, layout
        self._interval, self._eager = interval, eager
        self.readings = self.resets = self.above_max = 0
        self.other_interval: tuple[np.datetime64, int] | None = None

    def __iter__(self) -> Iterator[pa.Table]:
        return (table for table in self._tables_of_steps() if table.num_rows)

    def _tables_of_steps(self) -> Iterator[pa.Table]:
        resampler, pending = None, list[pa.Table]()
        for table in self._tables:
            pending.append(table)
            self.readings += len(table)
            if resampler is None and (usual := self._interval()):
                resampler = self._resampler(usual)
            if resampler:
                readings = self._to_arrays(pa.concat_tables(pending))
                pending = []
                yield self._to_table(*resampler.add(*readings), resampler)
        if resampler is None and pending:
            # A single reading stands for a whole step.
            resampler = self._resampler(self._step.minutes * 60_000)
            resampler.add(*self._to_arrays(pa.concat_tables(pending)))
        if resampler:
            yield self._to_table(*resampler.finish(), resampler)

    def _resampler(self, interval: int) -> Resampler:
        return Resampler(self._step, interval, self._layout, eager=self._eager)

    def _to_table(self, stamps: Times, values: Float64, resampler: Resampler) -> pa.Table:
        """Return steps as a table; an energy in Wh becomes that of a whole step."""
        self.resets, self.above_max = resampler.resets, resampler.above_max
        self.other_interval = resampler.other_interval
        intervals = self._step.minutes * 60_000 / resampler.interval
        columns = [
            column * intervals if schema.UNITS[name] == "Wh" else column
            for name, column in zip(self._layout.names, values.T, strict=True)
        ]
        arrays = [pa.array(column.astype(np.float32), from_pandas=True) for column in columns]
        # A day is no moment, but a date.
        timezone = None if self._step.per_day == 1 else self._layout.timezone
        kind = pa.timestamp("ms", timezone)
        times = arrow.from_numpy(stamps.astype("datetime64[ms]"), kind)
        return pa.table([times, *arrays], schema.readings(timezone, self._layout.covariates))

    def _to_arrays(self, table: pa.Table) -> tuple[Times, Float64]:
        """Return the times of readings (rows,) and their values (rows, columns), NaN for null."""
        columns = [
            arrow.to_numpy(table[name].cast(pa.float64()).fill_null(np.nan))
            for name in self._layout.names
        ]
        return arrow.to_numpy(table["timestamp"]), np.column_stack(columns)


def trim_zeros(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables of schema.SCHEMA without the first and the last rows whose power is 0."""
    has_begun, zeros = False, list[pa.Table]()
    for table in tables:
        has_power = np.flatnonzero(arrow.to_numpy(table[TARGET].fill_null(0)))
        if not len(has_power):
            zeros += [table] if has_begun else []
            continue
        yield from zeros
        first = 0 if has_begun else int(has_power[0])
        end = int(has_power[-1]) + 1
        yield table[first:end]
        has_begun, zeros = True, [table[end:]] if end < len(table) else []
