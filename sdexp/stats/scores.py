"""Scores of a set of pictures by themselves."""

import numpy as np


def inception_score(logits: np.ndarray) -> float:
    """exp of the mean Kullback-Leibler divergence of p(class | picture) from p(class).

    logits: float [N, classes] (Salimans et al. 2016, arXiv 1606.03498, section 4).
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    log_mean = np.logaddexp.reduce(log_p, axis=0) - np.log(len(logits))
    divergence = (np.exp(log_p) * (log_p - log_mean)).sum(axis=1)
    return float(np.exp(divergence.mean()))
