"""Saving estimators to files that hold no code, and loading them."""

from sktransfer._errors import PersistenceError
from sktransfer.persistence._api import load, save

__all__ = ["PersistenceError", "load", "save"]
