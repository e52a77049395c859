"""What follows from a benchmark, in a few sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sktransfer.evaluation._statistics import RankComparison
from sktransfer.evaluation.report._phrases import counted, listed, p_value
from sktransfer.evaluation.verdicts._wording import PROBABLY, SAME, SURELY, UNSURE, UNTESTED

__all__ = ["conclude", "conclude_ranks"]

SAID = {
    SURELY: "It is surely better than {}.",
    PROBABLY: "It is probably better than {}.",
    SAME: "It is practically the same as {}.",
    UNSURE: "Its lead over {} may well be chance.",
    UNTESTED: "Whether it is better than {} was not tested.",
}
"""Of the best system and those that it was compared with, by the level of the comparison."""
MUCH_FASTER = 2.0
MANY_CELLS = 10
"""With so many, another one makes intervals little narrower."""


def conclude(systems: pd.DataFrame, comparisons: pd.DataFrame, factors: pd.DataFrame) -> list[str]:
    """Sum up one dataset: its best system, what is as good, what is cheaper, what helps.

    Parameters
    ----------
    systems : DataFrame
        Of the dataset, as from `leading_systems`.
    comparisons, factors : DataFrame
        Of the same dataset and training size, as from `compare_systems` and `compare_factors`.
    """
    best = systems.iloc[0]
    mean = f", the mean of {counted(best['cells'], 'cell')}" if best["cells"] > 1 else ""
    told = [
        f"{best['system']} has the highest test accuracy on {best['dataset']}: "
        f"{best['test_accuracy']:.1f} % (95 % interval {best['test_low']:.1f} to "
        f"{best['test_high']:.1f}){mean}."
    ]
    levels = _levels_against(best["system"], comparisons)
    for level, sentence in SAID.items():
        others = [name for name in systems["system"] if levels.get(name) == level]
        if others:
            told.append(sentence.format(listed(others)))
    if best["cells"] < MANY_CELLS and {UNSURE, UNTESTED} & set(levels.values()):
        told.append("More repeats or folds would tell smaller differences from chance.")
    return [
        *told,
        *_faster(systems, levels),
        *_chosen(systems),
        *(
            f"{row['question']} Of systems that are otherwise named alike, {row['sentence']}"
            for _, row in factors.iterrows()
        ),
    ]


def conclude_ranks(rankings: Mapping[int, RankComparison]) -> list[str]:
    """Sum up several datasets."""
    told = []
    for train_size, ranking in rankings.items():
        best = ranking.ranks.index[0]
        together = next((group for group in ranking.groups() if best in group), [best])
        others = [name for name in together if name != best]
        size = f", with {train_size:,} training images" if train_size else ""
        rest = f"; {listed(others)} may well be as good" if others else ""
        told.append(
            f"Over all datasets{size}, {best} ranks first, at {ranking.ranks.iloc[0]:.2f} on "
            f"average{rest} (p-value of all being equal: {p_value(ranking.p_value)})."
        )
    return told


def _levels_against(best: str, comparisons: pd.DataFrame) -> dict[str, str]:
    """Return the level of the best system's comparison with each other one."""
    ahead = comparisons[comparisons["first"] == best]
    return dict(zip(ahead["second"], ahead["level"], strict=True))


def _faster(systems: pd.DataFrame, levels: Mapping[str, str]) -> list[str]:
    """Name the system that is trained the fastest of those that are not surely worse."""
    best = systems.iloc[0]
    close = systems[systems["system"].map(levels).isin([SAME, UNSURE])]
    close = close.dropna(subset=["fit_seconds"]).sort_values("fit_seconds")
    if close.empty or not close["fit_seconds"].iloc[0] * MUCH_FASTER < best["fit_seconds"]:
        return []
    times = best["fit_seconds"] / close["fit_seconds"].iloc[0]
    return [
        f"Of what is not clearly worse, {close['system'].iloc[0]} is trained the fastest: "
        f"{times:.1f} times as fast as {best['system']}."
    ]


def _chosen(systems: pd.DataFrame) -> list[str]:
    """Name the system that validation images speak for, if it is another one."""
    validated = systems.dropna(subset=["val_accuracy"])
    if validated.empty:
        return []
    # Of equals, the one of the fewest parameters to deploy is chosen, as for the saved winner.
    order = np.lexsort([validated["deployed_params"], -validated["val_accuracy"]])
    chosen = validated["system"].iloc[order[0]]
    if chosen == systems["system"].iloc[0]:
        return []
    return [
        f"By its validation images, which choose without a look at the test images, {chosen} is "
        "the best."
    ]
