"""Films from POST to JSON: one beside a bare forward pass, and many beside a naive service."""

from collections.abc import Iterator
from itertools import cycle, islice

import torch
from torchvision.models import resnet50

from benchmarks import servers
from benchmarks.films import films
from benchmarks.measure import THREADS, Comparison, Lead, alternate, take_turns

LIMIT = 1.0
FLOORS = {1: 1.0, 4: 1.0, 16: 5.0}
"""Least number of times a naive service's throughput, by the number of clients."""
FILMS = 16


def compare(*, rounds: int = 40) -> Comparison:
    """One film from POST to JSON, and a ResNet-50 in eager float32, with as many threads."""
    kind, (jpeg,) = films(1)
    body = servers.form(jpeg)
    torch.set_num_threads(THREADS)
    network = resnet50(weights=None).eval()
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), servers.ours() as server:
        request_s, forward_s = alternate(
            lambda: server.post(body), lambda: network(image), rounds=rounds, warm_up=5
        )
    return Comparison(f"POST to JSON ({kind})", request_s, "bare forward pass", forward_s, LIMIT)


def throughput(*, rounds: int = 5) -> Iterator[Lead | Comparison]:
    """The same films to both services, in turns, by 1, 4 and 16 clients.

    Beside the throughput stands what a reading costs in processor time: where the machine does
    other work besides, that is the steadier of the two.
    """
    kind, jpegs = films(FILMS)
    with servers.ours() as ours, servers.naive() as naive:
        for clients, floor in FLOORS.items():
            bodies = list(islice(cycle(map(servers.form, jpegs)), max(FILMS, 2 * clients)))

            def send(server: servers.Server, n: int = clients, to: list[bytes] = bodies) -> None:
                server.post_all(to, n)

            begun_s = ours.processor_s, naive.processor_s
            our_s, their_s = take_turns(
                lambda: send(ours), lambda: send(naive), rounds=rounds, warm_up=1
            )
            yield Lead(
                f"{clients} at once, {kind}", our_s, "naive service", their_s, len(bodies), floor
            )
            sent = len(bodies) * (rounds + 1)
            yield Comparison(
                f"processor time of a reading, {clients} at once",
                (ours.processor_s - begun_s[0]) / sent,
                "naive service",
                (naive.processor_s - begun_s[1]) / sent,
                1 / floor,
            )
