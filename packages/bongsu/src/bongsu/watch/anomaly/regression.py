"""Robust recursive least squares over many series at once."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bongsu.watch.anomaly.bank import Bank, Floats

HUBER = 2.0
"""Residuals beyond so many scales weigh less, in inverse proportion."""
CEILING = 10.0
"""Where nothing is learned the covariance stops growing here, so that forgetting never winds it up."""


@dataclass(slots=True)
class Regression(Bank):
    """``weights`` (P, S) of P terms, and their covariance (P, P, S) in units of the noise."""

    weights: Floats
    covariance: Floats

    @classmethod
    def fresh(cls, size: int, prior: "tuple[float, ...]" = (), spread: float = 0.1) -> Self:
        weights = np.repeat(np.asarray(prior, np.float32)[:, None], size, axis=1)
        covariance = np.repeat((np.eye(len(prior), dtype=np.float32) * spread)[..., None], size, axis=2)
        return cls(weights, covariance)

    def predict(self, terms: Floats) -> Floats:
        """The sum of the contributions of ``terms`` (P, S)."""
        return np.asarray(np.einsum("ps,ps->s", self.weights, terms), np.float32)

    def learn(self, terms: Floats, error: Floats, drift: float, weight: Floats) -> None:
        """One step towards ``error`` (S,), what `predict` left; terms and error in scales of the noise.

        Recursive least squares with forgetting (Ljung, System Identification, 11.2) under Huber's weight.
        ``memory`` is in samples; ``weight`` (S,) 0 freezes a series.
        """
        pull = np.einsum("pqs,qs->ps", self.covariance, terms)
        robust = weight * np.minimum(1.0, HUBER / np.maximum(np.abs(error), HUBER))
        gain = pull * (robust / (1.0 + robust * np.einsum("ps,ps->s", pull, terms)))
        self.weights += gain * np.clip(error, -20, 20)
        self.covariance -= gain[:, None, :] * pull[None, :, :]
        wander = np.where(np.einsum("pps->ps", self.covariance) < CEILING, weight * np.float32(drift), 0)
        np.einsum("pps->ps", self.covariance)[...] += wander
