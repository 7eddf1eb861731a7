"""How far two crowds of digits are from each other, measured in the features of a classifier."""

from __future__ import annotations

import numpy as np

from . import arguments


def frechet_distance(features_1: np.ndarray, features_2: np.ndarray) -> float:
    """The squared Fréchet distance between Gaussians fitted to two sets of features.

    features_1: (N, D); features_2: (M, D), with N and M above 1. Returns ‖μ₁−μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½); it is 0 for equal
    sets, and for two samples of the same law it falls about as 1/n. Raises ValueError if the shapes do not fit.

    Source: Heusel et al. 2017, equation 6.
    """
    features_1, features_2 = (
        arguments.array(name, features, 2)
        for name, features in (("features_1", features_1), ("features_2", features_2))
    )
    if features_1.shape[1] != features_2.shape[1] or min(len(features_1), len(features_2)) < 2:
        raise ValueError(
            "features_1 and features_2 must have shapes (N, D) and (M, D) with N, M ≥ 2, "
            f"but they had {features_1.shape} and {features_2.shape}"
        )
    mean_gap = features_1.mean(axis=0) - features_2.mean(axis=0)
    covariance_1, covariance_2 = (np.atleast_2d(np.cov(f, rowvar=False)) for f in (features_1, features_2))
    # tr (Σ₁Σ₂)^½ is the sum of the square roots of the eigenvalues of the symmetric Σ₁^½ Σ₂ Σ₁^½.
    values, vectors = np.linalg.eigh(covariance_1)
    root_1 = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root_1 @ covariance_2 @ root_1).clip(0)).sum()
    return float(mean_gap @ mean_gap + np.trace(covariance_1) + np.trace(covariance_2) - 2 * cross)
