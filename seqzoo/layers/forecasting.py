"""What the forecasting networks share."""

from seqzoo.specs import SeriesSpec

__all__ = ["check_forecast"]


def check_forecast(spec: SeriesSpec) -> None:
    """ValueError unless the spec asks for at least one step ahead and gives at least one to read."""
    for name, value in (("horizon", spec.horizon), ("context_length", spec.context_length)):
        if value < 1:
            raise ValueError(f"a forecasting network needs a {name} of at least 1 step, got {value}")
