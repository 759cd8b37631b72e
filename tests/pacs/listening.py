"""``flask listen`` and its like as processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from pneumonia.config import ROOT
from tests.pacs.orthanc import wait_until
from tests.running import ENGINES_DIR


class Command:
    """One command that runs until it is ended."""

    def __init__(
        self, bundle: Path, data_dir: Path, *arguments: str, **environment: str | int
    ) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PNEUMONIA_")}
        environ |= {
            "PNEUMONIA_DATA_DIR": str(data_dir),
            "PNEUMONIA_MODELS_DIR": str(bundle.parent),
            "PNEUMONIA_MODEL": bundle.name,
            "PNEUMONIA_DEVICE": "cpu",
            "PNEUMONIA_THREADS": "1",
            "PNEUMONIA_ENGINES_DIR": str(ENGINES_DIR),
            "PNEUMONIA_LONGEST_WAIT_S": "60",
        } | {f"PNEUMONIA_{name.upper()}": str(value) for name, value in environment.items()}
        self._log = data_dir.parent / f"{arguments[0]}.log"
        with self._log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
                cwd=ROOT,
                env=environ,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str, times: int = 1) -> None:
        """Until its log holds a text so often."""

        def said() -> bool:
            assert self.process.poll() is None, self.log()
            return self.log().count(text) >= times

        wait_until(said, 120)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """As a container engine does; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)
