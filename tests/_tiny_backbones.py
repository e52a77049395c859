"""Small networks that stand for backbones while tests run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sktransfer.backbones import BackboneSpec, _registry, register_backbone


def tiny_spec(name: str, builder: str, **values: Any) -> BackboneSpec:
    """Describe a network for images of 8x8 pixels, but for what is particular to it."""
    common = {
        "family": "Tiny",
        "preprocessing": _registry.TF,
        "native_size": 16,
        "recommended_size": 8,
        "min_size": 8,
        "top1": None,
        "licence": "BSD-3-Clause",
        "paper": "none",
    }
    return BackboneSpec(name=name, builder=builder, **{**common, **values})


@contextmanager
def registered(*specs: BackboneSpec) -> Iterator[None]:
    """Let backbones be known by their names for a while."""
    for spec in specs:
        register_backbone(spec)
    yield
    for spec in specs:
        del _registry._REGISTRY[spec.name]
