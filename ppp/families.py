"""Families of results: many layers, snapshots or classes tested at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ppp.ranks import adjust
from ppp.statistics import Statistic, against, evaluate
from ppp.table import Table
from ppp.value_checks import check_mapping, check_result

if TYPE_CHECKING:
    from ppp.result import PPPResult


def adjusted(
    results: Mapping[Hashable, Mapping[str, Statistic]],
) -> dict[Hashable, dict[str, Statistic]]:
    """Adjust the p-values of a family of results, statistic by statistic.

    Parameters
    ----------
    results : mapping name -> mapping name -> Statistic
        The `statistics` of each layer, snapshot or class tested together.

    Returns
    -------
    dict name -> dict name -> Statistic
        The same with `p_adjusted`: Benjamini-Hochberg over the results, within each statistic
        (and within "combined", the headline).

    Examples
    --------
    >>> family = {k: {"kappa": Statistic("kappa", 1.0, p=p)} for k, p in enumerate((0.01, 0.04))}
    >>> [each["kappa"].p_adjusted for each in adjusted(family).values()]
    [0.02, 0.04]
    """
    found = {key: dict(statistics) for key, statistics in results.items()}
    names = dict.fromkeys(name for statistics in found.values() for name in statistics)
    for name in names:
        keys = [key for key, statistics in found.items() if name in statistics]
        p_values = adjust([found[key][name].p for key in keys])
        for key, p in zip(keys, p_values, strict=True):
            found[key][name] = replace(found[key][name], p_adjusted=p)
    return found


def family_table(results: Mapping[Hashable, PPPResult], name: str = "combined") -> Table:
    """Tabulate one statistic over a family of results with adjusted p-values.

    Parameters
    ----------
    results : mapping name -> PPPResult
        Layers or snapshots tested together.
    name : str
        The statistic; "combined" is the headline.

    Returns
    -------
    Table
        Columns: result, value, p, p_adjusted, z, note.

    Raises
    ------
    ValueError
        For a statistic that the results have not, or anything but results by name.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> x = np.random.default_rng(0).laplace(size=(500, 8))
    >>> results = {"first": ppp.project(x[:250]), "second": ppp.project(x[250:])}
    >>> table = family_table(results)
    >>> table["result"], [p <= 0.05 for p in table["p_adjusted"]]
    (['first', 'second'], [True, True])
    """
    check_mapping(results, "results", '{"encoder.0": result}')
    for key, result in results.items():
        check_result(f"the result of {key!r}", result)
    family = adjusted({key: result.statistics for key, result in results.items()})
    for key, statistics in family.items():
        if name == "combined" and name not in statistics:
            raise ValueError(
                f"the headline of {key!r} is tested against a null, and it has none: analyse it "
                'with null="rotation", or tabulate one of ' + ", ".join(statistics)
            )
        if name not in statistics:
            raise ValueError(
                f"the statistic must be one of {', '.join(statistics)} in {key!r}, got {name!r}"
            )
    rows = ((str(key), each[name]) for key, each in family.items())
    return Table(
        ("result", "value", "p", "p_adjusted", "z", "note"),
        tuple((key, s.value, s.p, s.p_adjusted, s.z, s.note) for key, s in rows),
    )


def by_class(result: PPPResult) -> dict[Hashable, dict[str, Statistic]]:
    """Evaluate the statistics of every label class of one result, adjusted over the classes.

    Parameters
    ----------
    result : PPPResult
        A result whose inputs were labelled.

    Returns
    -------
    dict label -> dict name -> Statistic
        Against the same draws as the whole, where there is a null and it holds that class.

    Raises
    ------
    ValueError
        When the inputs were not labelled.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> x = np.random.default_rng(0).laplace(size=(500, 8))
    >>> found = by_class(ppp.project(x, label=np.arange(500) % 2))
    >>> list(found), found[0]["combined"].p_adjusted <= 0.05
    ([0, 1], True)
    """
    check_result("result", result)
    labels = [label for label in result.tally.classes if label is not None]
    if not labels:
        raise ValueError(
            "the inputs carry no labels: give label= (or labels=True) to the analysis; vectors and "
            "images are none: labels=lambda batch: batch[1].argmax(1) makes classes of one-hot ones"
        )
    found: dict[Hashable, dict[str, Statistic]] = {}
    nulls = result.nulls
    for label in labels:
        statistics = evaluate(result.tally, result.planes, result.rule, label)
        held = nulls is not None and label in nulls.classes
        found[label] = against(statistics, nulls, label) if held and nulls else statistics
    return adjusted(found)
