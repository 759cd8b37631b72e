"""``python -m benchmarks.memory [UPLOADS]``: where resident memory settles over many uploads.

Small films of all kinds, some of them damaged, from eight clients at once, to the real server with
the shipped model. Memory is the service's and its decoders', each page that several share counted
once (PSS).
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.servers import BOUNDARY, Server, descendants, form, ours
from tests.hostile.corpus import FILMS, corpus

CLIENTS = 8
REPORTS = 20


def main(uploads: int = 10_000) -> None:
    with ours() as server:
        bodies = [form(data) for data in FILMS.values()]
        bodies += [form(data) for _, data in corpus(120, 3) if len(data) < 500_000]
        print("uploads  resident MB (service + decoders)")
        with ThreadPoolExecutor(CLIENTS) as pool:
            for done in range(0, uploads + 1, step := max(1, uploads // REPORTS)):
                service, decoders = _memory_mb(server.process)
                print(
                    f"{done:7}  {service + decoders:7.0f} ({service:.0f} + {decoders:.0f})",
                    flush=True,
                )
                sent = (bodies[(done + n) % len(bodies)] for n in range(step))
                list(pool.map(lambda body: _post(server, body), sent))


def _post(server: Server, body: bytes) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request("POST", server.path, body, kind)
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status >= 500 and response.status != 503:
        raise RuntimeError(f"The server answered {response.status}")


def _memory_mb(master: int) -> tuple[float, float]:
    worker, *decoders = descendants(master)
    return _pss_mb(worker), sum(_pss_mb(decoder) for decoder in decoders)


def _pss_mb(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # a decoder that has just ended
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) / 1024


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
