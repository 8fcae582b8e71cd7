"""The formulas of what players minimise, for the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from variants.losses import AdversarialLoss
from variants.recipe import GRADIENT_PENALTIES, GanRecipe

SYMBOLS = {
    r"\b[rf]\b": "r and f are D's logits of real data x and of generated data G(z)", "σ": "σ is the logistic function",
    r"\bE\b": "E is the mean over the batch", r"\bm\(": "m is a running mean", "∇": "∇D is the gradient of D's logit with respect to D's input",
    "x̂": "x̂ is a random point between real and generated data", "x̃": "x̃ is a random point near real data", r"\bT\(": "T is an augmentation",
}  # fmt: skip


def symbols(formula: str = "") -> str:
    """Return the meaning, in words, of the symbols in a formula of adversarial training. Without a formula, return that of all symbols."""
    meanings = [meaning for pattern, meaning in SYMBOLS.items() if not formula or re.search(pattern, formula)]
    return ", and ".join(part for part in (", ".join(meanings[:-1]), *meanings[-1:]) if part)


def adversarial(recipe: GanRecipe, loss: AdversarialLoss, *, generator: str = "") -> str:
    """Return the losses of D and G with the recipe's changes and regularisers. `generator` replaces the loss of G."""
    of_d, g, of_g = loss.formula.partition("; G: ")
    return "; ".join((f"{of_d}{g}{generator or of_g}", *changes(recipe), *(f"D: + {term}" for term in regularisers(recipe))))


def changes(recipe: GanRecipe) -> Iterator[str]:
    """Yield the changes that the recipe makes to D's labels and inputs, in words."""
    for label, name, hard in ((recipe.real_label, "real", 1.0), (recipe.fake_label, "generated", 0.0)):
        if label != hard:
            yield f"D's label of {name} data is {label:g}: {label:g} (-log σ(·)) + {1.0 - label:g} (-log(1 - σ(·)))"
    if recipe.label_noise:
        yield f"D's r and f are exchanged in {recipe.label_noise:.3g} of pairs"
    if recipe.instance_noise:
        fading = f", falling to 0 over {recipe.instance_noise_images:,} images" if recipe.instance_noise_images else ""
        yield f"D gets x + N(0, {recipe.instance_noise:g}²) for all data{fading}"
    if recipe.augment:
        yield f"D gets T(x) for all data, with T drawn from {recipe.augment.replace(',', ', ')}"


def regularisers(recipe: GanRecipe) -> Iterator[str]:
    """Yield the terms that the recipe adds to D's loss. `SYMBOLS` explains them."""
    formulas = {
        "gp": "{} (|∇D(x̂)| - 1)²", "dragan": "{} (|∇D(x̃)| - 1)²", "r1": "{}/2 |∇D(x)|²", "r2": "{}/2 |∇D(G(z))|²",
        "drift": "{} r²", "lecam": "{} ((r - m(f))² + (f - m(r))²)", "consistency": "{} (D(x) - D(T(x)))²",
    }  # fmt: skip
    for name, formula in formulas.items():
        if weight := getattr(recipe, name):
            lazy = recipe.penalty_every > 1 and name in GRADIENT_PENALTIES
            yield formula.format(f"{weight:g}") + (
                f" at one update in {recipe.penalty_every}, times {recipe.penalty_every}" if lazy else ""
            )
