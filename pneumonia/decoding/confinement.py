"""What a decoder may not do, whatever its bytes make of it: held by the kernel (ADR 0028).

Where the kernel has no Landlock or seccomp, the limits on memory, processor time, files and their
size hold all the same; :func:`missing` says what does not.
"""

import contextlib
import errno
import resource
import sys
import sysconfig
from pathlib import Path
from typing import Final

import landlockpy
import seccompy
from landlockpy import AccessFS

from pneumonia.config import ROOT
from pneumonia.decoding import bounds

# Memory, the socket it has, the clock, and reading code that is imported late. All else is refused:
# other sockets, processes, signals, tracing, and whatever writes or names a file.
_CALLS: Final = (
    *("read", "pread64", "write", "recvfrom", "sendto", "close", "lseek"),
    *("openat", "fstat", "newfstatat", "stat", "lstat", "getdents64", "readlink", "readlinkat"),
    *("mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "futex"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("getpid", "gettid", "getrusage", "clock_gettime", "gettimeofday", "getrandom", "uname"),
    *("sched_yield", "sched_getaffinity", "sysinfo", "exit", "exit_group"),
)


def missing() -> tuple[str, ...]:
    """What this machine's kernel does not offer of ``"Landlock"`` and ``"seccomp"``."""
    offered = {"Landlock": landlockpy.supported(), "seccomp": seccompy.supported()}
    return tuple(name for name, is_there in offered.items() if not is_there)


def close_files() -> None:
    """Let this process and its children read the program's own code, and no other file."""
    if not landlockpy.supported():
        return
    code = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), str(ROOT / "pneumonia")}
    read = AccessFS.READ_FILE | AccessFS.READ_DIR
    with landlockpy.Ruleset() as rules:
        for folder in {*code, "/lib", "/lib64", "/usr/lib"}:
            if Path(folder).is_dir():
                rules.allow_path(folder, read)
        rules.restrict()


def make_filter() -> seccompy.Filter | None:
    """What refuses a process every call to the kernel (EPERM) but those that decoding needs.

    It is made before files are closed; ``load()`` puts it in force. None where there is no seccomp.
    """
    if not seccompy.supported():
        return None
    calls = seccompy.Filter(seccompy.Action.ERRNO | errno.EPERM)
    for name in _CALLS:
        with contextlib.suppress(ValueError):  # no call of this architecture
            calls.allow(name)
    calls.allow("prlimit64", args={0: 0})  # its own limits
    assert calls.program  # compiled once, for all decoders
    return calls


def limit_process(memory_bytes: int) -> None:
    """Bound this process's memory and files; it may write to none, nor leave a core behind."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, bounds.FILES_OPEN),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def limit_time() -> None:
    """Bound the processor time from here on: the kernel ends what takes longer (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 1 + bounds.CPU_S
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def address_space() -> int:
    """What this process takes of it now, bytes."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:  # not Linux
        return 2**30
    return pages * resource.getpagesize()
