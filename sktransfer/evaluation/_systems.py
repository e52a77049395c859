"""What a benchmark compares: strategies with their backbones, built by a factory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sktransfer._nesting import steps_of

__all__ = ["Builder", "all_strategies", "check_weights", "default_factory", "name_of"]


@dataclass(frozen=True)
class Builder:
    """Builds the unfitted estimators of cells, with the overrides that they have parameters for."""

    make: Callable
    recipe: str
    epochs: int | None

    def __call__(self, strategy: str, backbone: str, seed: int):
        """Build the estimator of a cell; `backbone` is empty for a strategy that has none."""
        values: dict[str, Any] = {"random_state": seed}
        values |= {"backbone": backbone} if backbone else {}
        values |= {} if self.epochs is None else {"epochs": self.epochs}
        taken = self.parameter_names(strategy) & set(values)
        return self.make(strategy, recipe=self.recipe, **{name: values[name] for name in taken})

    def parameter_names(self, strategy: str) -> set[str]:
        """Collect the names of the parameters that the steps of a strategy have."""
        steps = steps_of(self.make(strategy, recipe=self.recipe))
        return {name for step in steps for name in step.get_params(deep=False)}

    def systems(self, strategies: list[str], backbones: list[str]) -> list[tuple[str, str]]:
        """List what is compared, (strategy, backbone), and build each once, to check all names."""
        systems = []
        for strategy in strategies:
            has_backbone = "backbone" in self.parameter_names(strategy)
            if has_backbone and not backbones:
                raise ValueError(f"backbones must name at least one for {strategy!r}, got none")
            systems += [(strategy, name) for name in (backbones if has_backbone else [""])]
        for system in systems:
            self(*system, 0)
        return systems


def default_factory() -> Callable:
    """Return the library's own factory; it brings TensorFlow along."""
    from sktransfer.strategies import make_strategy

    return make_strategy


def all_strategies() -> list[str]:
    """Return the names of all strategies."""
    from sktransfer.strategies import list_strategies

    return list(list_strategies()["name"])


def check_weights(systems: list[tuple[str, str]]) -> None:
    """Find the pretrained weights of all backbones now rather than in the middle of a night."""
    from sktransfer.backbones import get_backbone
    from sktransfer.backbones._weights import resolve_weights

    for backbone in {backbone for _, backbone in systems if backbone}:
        resolve_weights(get_backbone(backbone), "imagenet")


def name_of(make: Any) -> str:
    """Name a function, and what it is bound to; what it does is beyond us."""
    if isinstance(make, functools.partial):
        return f"{name_of(make.func)} with {make.args} {make.keywords}"
    return f"{make.__module__}.{getattr(make, '__qualname__', type(make).__qualname__)}"
