"""What figures may be asked to draw, checked before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ppp.value_checks import check_mapping, check_result


def check_made(value: Any, kind: type, what: str, maker: str) -> None:
    """Refuse what is not of the kind that a figure is of.

    Parameters
    ----------
    value : object
        What was given.
    kind : type
        What it must be.
    what : str
        What it is called.
    maker : str
        What to give instead, as one would write it.

    Raises
    ------
    ValueError
        If it is of another type.

    Examples
    --------
    >>> from ppp.point_cloud import Points
    >>> check_made([], Points, "points", "ppp.points(x)")
    Traceback (most recent call last):
    ValueError: points must be of type Points, got list: give ppp.points(x)
    """
    if not isinstance(value, kind):
        raise ValueError(
            f"{what} must be of type {kind.__name__}, got {type(value).__name__}: give {maker}"
        )


def check_rows(rows: Any) -> None:
    """Refuse what is not ``rows[network][snapshot]``, each a result.

    Parameters
    ----------
    rows : object
        What was given.

    Raises
    ------
    ValueError
        If it has another form, or holds something else.
    """
    form = '{"network": {"epoch 0": result}}'
    check_mapping(rows, "rows", form)
    for name, row in rows.items():
        check_mapping(row, f"rows[{name!r}]", form)
        for column, result in row.items():
            check_result(f"rows[{name!r}][{column!r}]", result)


def check_statistics(names: Any) -> list[str]:
    """Return the statistics of a figure's panels as a list.

    Parameters
    ----------
    names : object
        What was given.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If it is a single name, or empty.
    """
    listed = [] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
    if not listed:
        raise ValueError(
            f'statistics must be a list of one name a panel, such as ["kappa"], got {names!r}'
        )
    return listed
