"""Make pandas data frames, for people who look at tables in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.errors import MissingDependencyError

if TYPE_CHECKING:
    import pandas


def data_frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pandas.DataFrame:
    """Return a data frame with a row for each mapping. It has these columns even where there are no rows.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError("pandas", "notebook", "a data frame") from error
    return pandas.DataFrame(list(rows), columns=list(columns))
