"""Features that were extracted once, kept for the next time."""

from sktransfer.cache._feature_store import FeatureStore, memory_store, row_keys

__all__ = ["FeatureStore", "memory_store", "row_keys"]
