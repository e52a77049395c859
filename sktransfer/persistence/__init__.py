"""Saving estimators to files that hold no code, and loading them."""

from sktransfer.persistence._api import load, save
from sktransfer.persistence._errors import PersistenceError

__all__ = ["PersistenceError", "load", "save"]
