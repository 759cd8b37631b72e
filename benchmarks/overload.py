"""What becomes of uploads when more come than the machine can answer.

``python -m benchmarks.overload``. First the capacity: uploads answered per second, with as many
clients as fill a batch, each sending the next as soon as it is answered. Then uploads at 1, 2, 4,
8 and 16 times that rate, at random moments (Poisson, seeded), each on a connection of its own and
never tried again. Server and clients share the machine: the clients' work is part of the measure.
"""

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass
from statistics import quantiles

from benchmarks import servers
from benchmarks.films import films

LOADS = (1, 2, 4, 8, 16)
CLIENTS = 8
SEED = 11
GIVE_UP_S = 60.0
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, 0 for a connection that broke, and the seconds until it was whole."""

    status: int
    took_s: float


async def send(port: int, request: bytes) -> Answer:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(GIVE_UP_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                await writer.drain()
                head = await reader.readline()
                await reader.read()
            finally:
                writer.close()
        status = int(head.split()[1])
    except (OSError, TimeoutError, IndexError, ValueError):
        status = 0
    return Answer(status, time.perf_counter() - began)


async def measure_capacity(port: int, request: bytes, seconds: float) -> float:
    """Uploads answered per second."""
    until = time.perf_counter() + seconds

    async def client() -> int:
        answered = 0
        while time.perf_counter() < until:
            if (await send(port, request)).status == 201:
                answered += 1
            else:
                await asyncio.sleep(_PAUSE_S)  # a refusal is quick: no storm of them
        return answered

    began = time.perf_counter()
    counts = await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return sum(counts) / (time.perf_counter() - began)


async def offer(port: int, request: bytes, per_s: float, seconds: float) -> list[Answer]:
    """Send at this rate, whatever comes back."""
    clock, began, due_s, sent = random.Random(SEED), time.perf_counter(), 0.0, []
    while (due_s := due_s + clock.expovariate(per_s)) < seconds:
        await asyncio.sleep(max(0.0, began + due_s - time.perf_counter()))
        sent.append(asyncio.create_task(send(port, request)))
    return await asyncio.gather(*sent)


def line(load: int, answers: list[Answer], seconds: float) -> str:
    accepted = [a.took_s for a in answers if a.status == 201]
    refused = [a.took_s for a in answers if a.status in (429, 503)]
    other = len(answers) - len(accepted) - len(refused)
    cells = (
        f"{load}",
        f"{len(answers) / seconds:.0f}",
        f"{len(accepted) / seconds:.1f}",
        spread(accepted),
        f"{len(refused) / len(answers):.0%}",
        spread(refused),
        f"{other}",
    )
    return f"| {' | '.join(cells)} |"


def spread(took_s: list[float]) -> str:
    """Median, 95th percentile and longest, in seconds."""
    if len(took_s) < 2:
        return "–"
    percentiles = quantiles(took_s, n=20, method="inclusive")
    return f"{percentiles[9]:.2f} / {percentiles[18]:.2f} / {max(took_s):.2f}"


async def run(port: int, seconds: float) -> int:
    kind, (jpeg,) = films(1)
    body = servers.form(jpeg)
    head = (
        f"POST /api/v1/readings HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary={servers.BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    await measure_capacity(port, request, seconds / 2)  # warm
    capacity = await measure_capacity(port, request, seconds)
    print(f"Capacity: {capacity:.1f} uploads per second ({kind}, {len(body)} bytes)\n")
    print(
        "| Times capacity | Sent per s | Accepted per s | Seconds until accepted (median / 95 % / "
        "longest) | Refused | Seconds until refused | Broken |\n|---|---|---|---|---|---|---|"
    )
    broken = 0
    for load in LOADS:
        answers = await offer(port, request, load * capacity, seconds)
        print(line(load, answers, seconds), flush=True)
        broken += sum(a.status not in (201, 429, 503) for a in answers)
        await asyncio.sleep(2)
    return int(broken > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    seconds = parser.parse_args().seconds
    with servers.ours() as server:
        return asyncio.run(run(server.port, seconds))


if __name__ == "__main__":
    sys.exit(main())
