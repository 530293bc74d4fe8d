"""When a batch will be done and what it costs, before anything is spent; from plain values, without sleeping.

    from jobs.forecast import Plain, forecast
    forecast(plain)["pipelined"].p50_s

jobs/queries/forecasting.py makes a `Plain` from the rows.
"""

from .bounds import Bound, Load, bound_of, slowest_stage
from .forecast import Forecast, forecast, from_json, seconds_left
from .kits import CannotForecast
from .plain import (
    LaneFacts,
    Measured,
    Order,
    Plain,
    PriceFacts,
    ProviderFacts,
    QuotaFacts,
    VideoPlan,
)
from .queues import Queues

__all__ = [
    "Bound",
    "CannotForecast",
    "Forecast",
    "LaneFacts",
    "Load",
    "Measured",
    "Order",
    "Plain",
    "PriceFacts",
    "ProviderFacts",
    "Queues",
    "QuotaFacts",
    "VideoPlan",
    "bound_of",
    "forecast",
    "from_json",
    "seconds_left",
    "slowest_stage",
]
