"""The errors that capturing, storing and reading activations raise."""

from __future__ import annotations


class HooksError(ValueError):
    """Base of every error of this package; states the rule, the value and the way out."""


class LayerNotFoundError(HooksError):
    """No module answers to the name, pattern or object that was asked for."""


class OutputError(HooksError):
    """A layer's output cannot be read as rows the way it was asked for."""


class CaptureError(HooksError):
    """The model, the loader and the layers do not fit together."""


class StoreError(HooksError):
    """A store is missing, broken, of another format, or in the way."""


class IncompleteStoreError(StoreError):
    """A store whose capture did not end cleanly was opened without asking for it."""


def listed(items: list[str], limit: int = 12) -> str:
    """Return names joined for a message, cut after `limit` of them.

    Parameters
    ----------
    items : list of str
        The names.
    limit : int
        How many to spell out.

    Returns
    -------
    str
        The names, quoted, with the number left out.

    Examples
    --------
    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    text = ", ".join(repr(item) for item in items[:limit])
    return text if len(items) <= limit else f"{text} and {len(items) - limit} more"
