"""What a store knows of its inputs: each id once, with one value of each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hooks.errors import StoreError
from hooks.idsets import first_of_each

_KINDS = {"i": "whole numbers", "f": "numbers", "U": "texts"}
#: How to write a store in which no id stands for two inputs.
WAY_OUT = (
    "an id must stand for one input throughout a store. Give the data set's indices with "
    "hooks.indexed, write another store, or leave labels out with labels=False"
)


@dataclass(frozen=True)
class Inputs:
    """Some inputs with their fields, of one capture.

    Parameters
    ----------
    where : str
        Whose they are, for messages.
    ids : (S,) int64 array
        Each once.
    fields : mapping of str to (S,) array
        Whole numbers, numbers or texts.
    """

    where: str
    ids: np.ndarray
    fields: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Column:
    """One field: the ids that have it, ascending, and their values."""

    where: str
    ids: np.ndarray
    values: np.ndarray

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where in the column some ids stand, and which of them are there."""
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return at, self.ids[at] == ids


class InputTable:
    """The inputs of several captures, joined by id.

    Parameters
    ----------
    parts : sequence of Inputs
        A field that one of them has not is taken from the others.
    way_out : str
        What a refusal says after the values.

    Raises
    ------
    StoreError
        If an id comes again with another value, or a field with another type.

    Examples
    --------
    >>> first = Inputs("train", np.array([7, 3]), {"label": np.array([1, 0])})
    >>> table = InputTable([first, Inputs("test", np.array([3]), {})])
    >>> table.ids, table.fields["label"]
    (array([7, 3]), array([1, 0]))
    """

    def __init__(self, parts: Sequence[Inputs], way_out: str = WAY_OUT) -> None:
        self._way_out = way_out
        some = [part for part in parts if len(part.ids)] or list(parts[:1])
        ids = np.concatenate([np.zeros(0, np.int64), *(part.ids for part in some)])
        #: Every input's id, in the order in which they came first.
        self.ids = ids[first_of_each(ids)]
        self._columns: dict[str, _Column] = {}
        for name in dict.fromkeys(name for part in some for name in part.fields):
            having = [part for part in some if name in part.fields]
            for part in having[1:]:
                self._check_kind(name, having[0].where, having[0].fields[name], part)
            own, first = np.unique(np.concatenate([p.ids for p in having]), return_index=True)
            values = np.concatenate([part.fields[name] for part in having])[first]
            self._columns[name] = _Column(having[0].where, own, values)
        if len(some) > 1:
            for part in some:
                self.check(part)

    @property
    def names(self) -> set[str]:
        """Return the names of all fields.

        Returns
        -------
        set of str
        """
        return set(self._columns)

    @property
    def partial(self) -> list[str]:
        """Return the fields that some inputs have not.

        Returns
        -------
        list of str
        """
        return [name for name, c in self._columns.items() if len(c.ids) < len(self.ids)]

    @cached_property
    def fields(self) -> dict[str, np.ndarray]:
        """Return the fields that every input has, in the order of the ids.

        Returns
        -------
        dict of str to (S,) array
        """
        return {name: self.values(name, self.ids) for name in self._columns if self.has(name)}

    def has(self, name: str) -> bool:
        """Return whether every input has a field.

        Parameters
        ----------
        name : str

        Returns
        -------
        bool
        """
        return name in self._columns and name not in self.partial

    def values(self, name: str, ids: np.ndarray) -> np.ndarray:
        """Return a field of some inputs.

        Parameters
        ----------
        name : str
        ids : (R,) int64 array

        Returns
        -------
        (R,) array

        Raises
        ------
        KeyError
            If there is no such input.
        """
        column = self._columns[name]
        at, there = column.find(ids)
        if not there.all():
            raise KeyError(int(ids[~there][0]))
        return column.values[at]

    def check(self, part: Inputs) -> None:
        """Refuse inputs that contradict those of the table.

        Parameters
        ----------
        part : Inputs

        Raises
        ------
        StoreError
            Naming the input, the field and both values.
        """
        for name in set(part.fields) & self.names:
            column, values = self._columns[name], part.fields[name]
            if not len(column.ids):
                continue
            self._check_kind(name, column.where, column.values, part)
            at, there = column.find(part.ids)
            known = column.values[at]
            # nan is no other value than nan
            wrong = np.flatnonzero(
                there & (known != values) & ((known == known) | (values == values))
            )
            if len(wrong):
                one = wrong[0]
                raise StoreError(
                    f"input {part.ids[one]} has {name} {values[one].item()!r} in {part.where} but "
                    f"{known[one].item()!r} before: {self._way_out}"
                )

    def _check_kind(self, name: str, where: str, values: np.ndarray, part: Inputs) -> None:
        kinds = [_KINDS[v.dtype.kind] for v in (values, part.fields[name])]
        if kinds[0] != kinds[1]:
            raise StoreError(
                f"{name} must be of one type throughout a store, got {kinds[0]} in {where} and "
                f"{kinds[1]} in {part.where}: convert them with labels= or fields="
            )

    def joined(self, parts: Sequence[Inputs]) -> InputTable:
        """Return the table with further inputs.

        Parameters
        ----------
        parts : sequence of Inputs

        Returns
        -------
        InputTable

        Raises
        ------
        StoreError
            As the table itself.
        """
        own = [Inputs(c.where, c.ids, {name: c.values}) for name, c in self._columns.items()]
        return InputTable([Inputs("", self.ids, {}), *own, *parts], self._way_out)
