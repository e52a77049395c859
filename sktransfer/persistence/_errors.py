"""The one error of the package."""

from __future__ import annotations


class PersistenceError(ValueError):
    """An estimator that cannot be saved, or a file that cannot be loaded.

    The message names the file and what is wrong.
    """
