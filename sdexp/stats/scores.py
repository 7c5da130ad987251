"""Scores of pairs of features, and of a set of pictures by itself."""

import numpy as np


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Cosine of each row of x with its row of y, both [N, d]; [N, 1] in [-1, 1]."""
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    values: np.ndarray = ((x * y).sum(axis=1) / lengths)[:, None]
    return values


def inception_score(logits: np.ndarray) -> float:
    """exp of the mean Kullback-Leibler divergence of p(class | picture) from p(class).

    logits: float [N, classes] (Salimans et al. 2016, arXiv 1606.03498, section 4).
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    log_mean = np.logaddexp.reduce(log_p, axis=0) - np.log(len(logits))
    divergence = (np.exp(log_p) * (log_p - log_mean)).sum(axis=1)
    return float(np.exp(divergence.mean()))
