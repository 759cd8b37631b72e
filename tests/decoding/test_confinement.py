"""What a decoder is kept from: each is tried in a process that is confined as decoders are."""

import subprocess
import sys
from pathlib import Path

import pytest

from pneumonia.config import ROOT
from pneumonia.decoding import confinement

PROBE = """
import mmap, os, resource, signal, socket, subprocess, sys, threading
from pneumonia.decoding import bounds, confinement
calls = confinement.make_filter()
held = [os.open(os.devnull, os.O_RDONLY)]
os.environ["SECRET"] = "1"
start = confinement.address_space()
confinement.close_files()
confinement.limit_process(start + 2**28)
if calls: calls.load()
confinement.limit_time()
TRIES = {
    "a socket": lambda: socket.socket(),
    "a connection within": lambda: socket.socketpair(),
    "a process": lambda: os.fork(),
    "a program": lambda: os.execv("/bin/true", ["true"]),
    "a thread": lambda: threading.Thread(target=print).start(),
    "a signal": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "a file read": lambda: open("/etc/passwd").read(),
    "its own memory": lambda: open("/proc/self/mem", "rb").read(1),
    "the data folder": lambda: os.listdir(sys.argv[2]),
    "a file written": lambda: open(sys.argv[2] + "/x", "w").write("x"),
    "a file removed": lambda: os.unlink(sys.argv[2] + "/film"),
    "a file in memory": lambda: os.memfd_create("x"),
    "another's limits": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1)),
    "much memory": lambda: bytearray(2**29),
}
try:
    TRIES[sys.argv[1]]()
except MemoryError:
    print("refused")
except (OSError, RuntimeError, ValueError) as error:
    print("refused")
else:
    print("done")
"""


def attempt(what: str, folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", PROBE, what, str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    return run.stdout.strip() or run.stderr


@pytest.mark.skipif(bool(confinement.missing()), reason="this kernel has no Landlock or seccomp")
@pytest.mark.parametrize(
    "what",
    [
        "a socket",
        "a connection within",
        "a process",
        "a program",
        "a thread",
        "a signal",
        "a file read",
        "its own memory",
        "the data folder",
        "a file written",
        "a file removed",
        "a file in memory",
        "another's limits",
        "much memory",
    ],
)
def test_it_is_refused(what: str, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"x")
    assert attempt(what, tmp_path) == "refused"
    assert (tmp_path / "film").exists()


SPIN = """
from pneumonia.decoding import bounds, confinement
bounds.CPU_S = 0
confinement.limit_time()
while True: pass
"""


def test_processor_time_ends() -> None:
    run = subprocess.run([sys.executable, "-c", SPIN], cwd=ROOT)
    assert run.returncode == -24  # SIGXCPU
