"""The checks, each a function from one rule to what is wrong with it. To add one, name it here."""

from bongsu.stack.lint.checks import absence, counters, form, histograms, matching, resources
from bongsu.stack.lint.model import Check

CHECKS: tuple[Check, ...] = (
    *histograms.CHECKS,
    *counters.CHECKS,
    *absence.CHECKS,
    *resources.CHECKS,
    *matching.CHECKS,
    *form.CHECKS,
)
