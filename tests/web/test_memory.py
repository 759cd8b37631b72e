"""What a thread's films took goes back to the system, or sixteen threads keep gigabytes."""

import platform
import subprocess
import sys

import pytest

from pneumonia.config import ROOT

# Each thread takes and frees blocks of Pillow's size, with a little that stays above them.
PROBE = """
import os, runpy, sys, threading
conf = runpy.run_path("gunicorn.conf.py")
if sys.argv[1] == "set":
    conf["give_memory_back"]()
del conf
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
bytearray(31 * 2**20)  # freed: glibc raises its limit to this, where it may
kept, done, end = [], threading.Barrier(9), threading.Event()
def work():
    films = [bytearray(b"x") * (16 * 2**20) for _ in range(3)]
    kept.append(bytearray(100_000))
    del films
    done.wait()
    end.wait()
before = resident()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
done.wait()
print((resident() - before) // 2**20)
end.set()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc, read through /proc")
def test_threads_keep_nothing_of_large_radiographs() -> None:
    kept_mb = {
        mode: int(
            subprocess.run(
                [sys.executable, "-c", PROBE, mode],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for mode in ("left", "set")
    }
    assert kept_mb["left"] > 100, "the probe does not see what it is about"
    assert kept_mb["set"] < 20
