"""What comparisons are called in words, and where one word ends and the next begins."""

from __future__ import annotations

from sktransfer.evaluation.verdicts._contrasts import Contrast
from sktransfer.evaluation.verdicts._evidence import Evidence

__all__ = [
    "LEVELS",
    "PROBABLY",
    "SAME",
    "SURELY",
    "UNSURE",
    "UNTESTED",
    "level_of",
    "sentence_of",
]

SAME = "practically the same"
SURELY = "surely better"
PROBABLY = "probably better"
UNSURE = "within chance"
UNTESTED = "not tested"
LEVELS = {
    UNTESTED: "nothing tells the difference from chance: there is one score of each and no "
    "predictions, or all scores differ by the same",
    SAME: "the whole interval lies among differences that are too small to matter",
    SURELY: "beyond chance, also when all comparisons of the table are counted together: the "
    "p-value after Holm's correction is below 0.05",
    PROBABLY: "beyond chance taken alone, with a p-value below 0.05, but of so many comparisons "
    "one may look like this by chance",
    UNSURE: "the difference may well be chance",
}
"""What the words mean at a confidence of 0.95; the first that holds is said."""


def level_of(evidence: Evidence, adjusted: float, *, rope: float, confidence: float) -> str:
    """Choose the word for a comparison; `adjusted` is its p-value after Holm's correction."""
    if not evidence.test:
        return UNTESTED
    if -rope <= evidence.low and evidence.high <= rope:
        return SAME
    if adjusted < 1 - confidence:
        return SURELY
    return PROBABLY if evidence.p_value < 1 - confidence else UNSURE


def sentence_of(contrast: Contrast, evidence: Evidence, level: str, confidence: float) -> str:
    """Say which of two is better, by how much, and how sure that is."""
    first, second = contrast.first, contrast.second
    gap = f"{evidence.difference:.1f} points"
    if level == UNTESTED:
        if evidence.difference == 0:
            return f"{first} and {second} score the same."
        return f"{first} is ahead of {second} by {gap}: {level}, so it may be chance."
    sure = f"({100 * confidence:g} % interval {evidence.low:.1f} to {evidence.high:.1f}): {level}."
    if level == SAME:
        return f"{first} and {second} differ by {gap} {sure}"
    verb = "beats" if level in (SURELY, PROBABLY) else "is ahead of"
    return f"{first} {verb} {second} by {gap} {sure}"
