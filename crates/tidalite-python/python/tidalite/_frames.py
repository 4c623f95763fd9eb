"""Conversion of any object with `__arrow_c_stream__` to Arrow, pandas and Polars, and of tables and columns to NumPy."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._optional import need

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow

    from ._tidalite import Column, Table


def to_arrow(obj: Any) -> pyarrow.Table:
    """A `pyarrow.Table`; repeated text is dictionary-encoded."""
    return _read(obj, "to_arrow()")


def to_pandas(obj: Any) -> pandas.DataFrame:
    """A DataFrame: dictionary text as categoricals, times as datetimes in UTC, missing numbers as NaN."""
    need("pandas", "to_pandas()")
    table = _read(obj, "to_pandas()")
    # pandas copies by default; columns shared with Arrow would be read-only.
    frame: pandas.DataFrame = table.to_pandas()
    return frame


def to_polars(obj: Any) -> polars.DataFrame:
    """A `polars.DataFrame`, without pyarrow in between."""
    frame: polars.DataFrame = need("polars", "to_polars()").DataFrame(obj)
    return frame


def to_numpy(obj: Table) -> dict[str, numpy.ndarray[Any, Any]]:
    """One array per column, as of `column_to_numpy`. Needs NumPy alone."""
    need("numpy", "to_numpy()")
    return {column.name: column_to_numpy(column) for column in obj._columns()}


def column_to_numpy(column: Column) -> numpy.ndarray[Any, Any]:
    """Text as objects, times as `datetime64[us]` in UTC, whole numbers with gaps as floats with NaN. The array may be changed."""
    np = need("numpy", "to_numpy()")
    array: numpy.ndarray[Any, Any]
    if column.type == "text":
        array = np.array(column.to_list(), object)
    elif column.type == "bool":
        array = np.array(column.to_list(), object if column.null_count else bool)
    else:
        array = np.array(column._filled() if column.null_count else column)
    return array.view("datetime64[us]") if column.type == "time" else array


def _read(obj: Any, purpose: str) -> pyarrow.Table:
    # Not `pyarrow.table`, which imports pandas to test for a DataFrame.
    table: pyarrow.Table = need("pyarrow", purpose).RecordBatchReader.from_stream(obj).read_all()
    return table

