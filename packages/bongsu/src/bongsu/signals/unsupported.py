"""What a backend's query language cannot say, said to people before anything is asked."""

from bongsu.signals.query import FleetQuery

_SHARED = frozenset(
    {
        *("form", "metric", "match", "by", "window", "select"),
        *("help", "problem", "unit", "worse", "absent", "active", "thresholds"),
    }
)


class UnsupportedError(ValueError):
    """``backend`` has no query for a signal. The message says which signal and form, why, and what to do."""

    def __init__(self, backend: str, query: FleetQuery, reason: str, remedy: str) -> None:
        self.backend, self.form, self.reason, self.remedy = backend, query.signal.form, reason, remedy
        super().__init__(f"{backend} cannot answer {query.name!r} (form: {self.form}): {reason}; {remedy}")


def refuse_unknown(backend: str, query: FleetQuery, understood: frozenset[str]) -> None:
    """UnsupportedError when the signal sets an option that this compiler has never heard of."""
    signal = query.signal
    for name in sorted(type(signal).model_fields.keys() - _SHARED - understood):
        if getattr(signal, name) != type(signal).model_fields[name].get_default(call_default_factory=True):
            raise UnsupportedError(
                backend,
                query,
                f"the option {name!r} has no counterpart there",
                f"leave {name!r} out, or ask a Prometheus-compatible source",
            )


def refuse_expr(backend: str, query: FleetQuery) -> UnsupportedError:
    """The refusal of raw PromQL."""
    return UnsupportedError(
        backend,
        query,
        "raw PromQL needs a Prometheus-compatible source",
        "write the signal in another form, or give the service a source of type prometheus",
    )
