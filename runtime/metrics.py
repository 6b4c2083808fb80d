"""What this process counts, as Prometheus reads it: counters that grow where things happen, gauges set when they are asked for.

Every metric has its row in docs/reference/metrics.md; a test compares.
"""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

#: The registry of this process.
REGISTRY = CollectorRegistry()
#: The content type of what `metrics_page` gives.
METRICS_TYPE = CONTENT_TYPE_LATEST

#: Upper bounds of the seconds that calls take.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

RPC_CALLS = Counter(
    "magbroker_rpc_calls", "Calls of remote procedures, by procedure and outcome.", ("procedure", "outcome"), registry=REGISTRY
)
RPC_SECONDS = Histogram(
    "magbroker_rpc_seconds",
    "Seconds from a call to its answer, of calls that waited for nothing.",
    registry=REGISTRY,
    buckets=_SECONDS,
)
ACTIONS_DONE = Counter(
    "magbroker_actions", "Administrative actions over the API and the owner's socket.", ("action", "outcome"), registry=REGISTRY
)
IMAGE_EVENTS = Counter(
    "magbroker_image_events", "Steps in the stories of images, of the whole site, by stage.", ("stage",), registry=REGISTRY
)
SESSIONS = Gauge("magbroker_sessions", "Connections to this broker.", registry=REGISTRY)
LISTENERS = Gauge("magbroker_event_listeners", "Listeners to the live feed of this process.", registry=REGISTRY)
EVENTS_LOST = Counter("magbroker_event_listeners_lost", "Events that listeners were too slow for.", registry=REGISTRY)
QUEUE_ENTRIES = Gauge(
    "magbroker_queue_entries",
    "Entries to be worked off, by queue, location and status; 10,000 stands for that many or more.",
    ("queue", "location", "status"),
    registry=REGISTRY,
)
GATEWAY_HEARD = Gauge(
    "magbroker_gateway_heard_seconds", "Seconds since a gateway was heard of last.", ("machine",), registry=REGISTRY
)
ALERTS_OPEN = Gauge("magbroker_alerts_open", "Open alerts, by kind.", ("kind",), registry=REGISTRY)
ALERT_NOTICES = Counter(
    "magbroker_alert_notices",
    "What this process told, or did not get told, of alerts, by channel and outcome.",
    ("channel", "outcome"),
    registry=REGISTRY,
)
ATNA_MESSAGES = Counter(
    "magbroker_atna_messages", "Audit messages sent, and attempts that failed, by outcome.", ("outcome",), registry=REGISTRY
)

for _collector in (ProcessCollector, PlatformCollector, GCCollector):
    _collector(registry=REGISTRY)


def calls_so_far() -> tuple[int, float]:
    """Give how many remote procedures were called in this process, and the seconds that they took together."""
    (metric,) = RPC_SECONDS.collect()
    found = {sample.name.rpartition("_")[2]: sample.value for sample in metric.samples}
    return int(found["count"]), float(found["sum"])


def metrics_page() -> bytes:
    """Write everything down as Prometheus reads it."""
    return generate_latest(REGISTRY)
