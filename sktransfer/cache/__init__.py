"""Features that were extracted once, kept for the next time."""

from sktransfer._errors import CacheWarning
from sktransfer.cache._disk_store import DISK_BYTES, DiskStore
from sktransfer.cache._feature_store import FeatureStore, memory_store, row_keys
from sktransfer.cache._maintenance import (
    CacheInfo,
    Checked,
    cache_info,
    clear_cache,
    export_cache,
    import_shard,
    verify_cache,
)
from sktransfer.cache._stores import Store, disk_store, open_store

__all__ = [
    "DISK_BYTES",
    "CacheInfo",
    "CacheWarning",
    "Checked",
    "DiskStore",
    "FeatureStore",
    "Store",
    "cache_info",
    "clear_cache",
    "disk_store",
    "export_cache",
    "import_shard",
    "memory_store",
    "open_store",
    "row_keys",
    "verify_cache",
]
