"""One process, several threads, one model: `gunicorn` alone starts it, with the same settings.

Scale out with more such processes over a shared database and data folder, not with workers: each
would hold a model of its own, and batches would be split between them.
"""

import contextlib
import ctypes
import threading
from pathlib import Path

from pneumonia.config import Settings
from pneumonia.errors import BadSetting, DomainError
from pneumonia.server.bounds import Bounds
from pneumonia.server.log import JSON, JsonLog
from pneumonia.server.worker import BufferingWorker

try:
    _settings = Settings.from_environ()
    _settings.check_served()
except BadSetting as error:
    raise SystemExit(str(error)) from None

wsgi_app = "wsgi:app"
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
bind = f"{_host}:{_settings.port}"

workers = 1
worker_class = BufferingWorker  # No slow client holds a thread of it (docs/adr/0022).
BufferingWorker.bounds = Bounds(
    kept_bytes=_settings.max_upload_bytes + 2**20,
    uploads=_settings.uploads_at_once,
    waiting_s=_settings.longest_wait_s,
)
threads = 16  # Uploads in work at once; most of one is spent waiting for the network's batch.
preload_app = False  # Torch's thread pools do not survive a fork: the worker imports it itself.
if Path("/dev/shm").is_dir():  # noqa: S108  # nosec B108  # gunicorn makes its own file
    worker_tmp_dir = "/dev/shm"  # noqa: S108  # nosec B108  # so that a slow disk kills no worker

timeout = 120
graceful_timeout = 8  # Container engines kill after ten seconds.
keepalive = 5
control_socket_disable = True  # Nothing here is steered through it, and it writes to the home.
limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}  # Only PNEUMONIA_PROXIES decides whom to believe.

accesslog = "-"
# The path without its query, no Referer, no user: what a log needs and no more.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms %({x-request-id}o)s'
if _settings.log_format == "json":
    logger_class, logconfig_dict = JsonLog, JSON


def give_memory_back():
    """Have the C library return each large block at once.

    Left alone, glibc raises its limit to 32 MB and every thread then keeps what its films took:
    with sixteen of them, gigabytes. Above 8 MB is above what the network takes for one film.
    """
    m_trim_threshold, m_mmap_threshold = -1, -3  # malloc.h
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(m_mmap_threshold, 8 * 2**20)
        # Setting one limit freezes the other at 128 kB: every forward pass would then give its
        # memory back and fault it in again, at twice the time of a request.
        libc.mallopt(m_trim_threshold, 64 * 2**20)


def post_worker_init(worker):
    """Open the data folder and load the model, in the process that will serve."""
    from pneumonia.retention import keep_house
    from pneumonia.web.first_start import announce
    from pneumonia.web.services import services
    from pneumonia.web.session import ensure_secret_key

    give_memory_back()
    own = services(worker.wsgi)
    # A thread that hangs in the network cannot be ended, a process can: what is in work is
    # finished, and the master starts another.
    own.analysis.when_stuck = lambda: setattr(worker, "alive", False)
    own.analysis.start()
    try:
        ensure_secret_key(worker.wsgi)
        own.store.migrate()
        announce(own, worker.log)
    except DomainError as error:
        # The server starts all the same: its pages and /readyz say what is wrong.
        worker.log.error("%s", error)
    worker.over = threading.Event()
    work = (own.store, own.settings.keep_days, worker.over)
    threading.Thread(target=keep_house, args=work, name="housekeeping", daemon=True).start()


def worker_exit(server, worker):
    """Let the analysis thread end before the process does."""
    from pneumonia.web.services import services

    if hasattr(worker, "over"):
        worker.over.set()
    if getattr(worker, "wsgi", None) is not None:
        services(worker.wsgi).analysis.close()
        services(worker.wsgi).readings.close()
