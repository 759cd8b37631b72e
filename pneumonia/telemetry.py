"""What the running process counts and times, for Prometheus; and the id of the request in work.

Every metric has its home here, so that the dashboard and the alert rules (docs/monitoring) can be
held against them. None has a label that a client can fill, and none says anything of one patient.
"""

from contextvars import ContextVar

from prometheus_client import Counter, Gauge, Histogram, Info

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30)
_SHARES = tuple(n / 20 for n in range(1, 21))

REQUESTS = Counter(
    "pneumonia_requests", "Requests answered by the app", ["method", "view", "status"]
)
REQUEST_SECONDS = Histogram(
    "pneumonia_request_seconds",
    "In the app, from a request's first step to its answer",
    ["view"],
    buckets=_SECONDS,
)
REFUSALS = Counter("pneumonia_refusals", "Requests that got an error, by its code", ["code"])
STAGE_SECONDS = Histogram(
    "pneumonia_stage_seconds",
    "Of an upload: thread (until it has one), decode, queue (until the network), network, keep",
    ["stage"],
    buckets=_SECONDS,
)
UPLOADS_IN_WORK = Gauge("pneumonia_uploads_in_work", "Uploads let in and not yet answered")
UPLOADS_ALLOWED = Gauge(
    "pneumonia_uploads_allowed", "Uploads let in at once, by what the machine has shown"
)
QUEUE = Gauge("pneumonia_queue_films", "Films that wait for the network")
BATCH = Histogram(
    "pneumonia_batch_films", "Films analysed together", buckets=(1, 2, 3, 4, 6, 8, 12, 16, 32)
)
HUNG = Counter("pneumonia_network_hung", "Times that the network did not come back")
DECODERS_STOPPED = Counter(
    "pneumonia_decoders_stopped",
    "Decoders that a file stopped: by time, memory or crash",
    ["cause"],
)
READINGS = Counter("pneumonia_readings", "Readings made, samples apart", ["label"])
SCORES = Histogram(
    "pneumonia_score", "Calibrated probability of pneumonia, samples apart", buckets=_SHARES
)
OUTLIER_DISTANCES = Histogram(
    "pneumonia_outlier_distance",
    "How far a film is from chest films, as a share of the distance at which it is refused",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 2, 4),
)
READY = Gauge("pneumonia_model_ready", "1 where the model can be asked")
STORAGE_USABLE = Gauge("pneumonia_storage_usable", "1 where the database answers")
FREE_BYTES = Gauge("pneumonia_data_free_bytes", "Room left on the disk of the data folder")
MODEL = Info("pneumonia_model", "The model that is served")
