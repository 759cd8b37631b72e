"""A decoder: takes films from its socket one after the other and answers with their pixels."""

import json
import mmap
import resource
import socket

from pneumonia.decoding import bounds, confinement
from pneumonia.decoding.messages import TOO_MUCH_MEMORY, describe, lay_down, pack
from pneumonia.errors import DecoderStopped, ImageError
from pneumonia.imaging import Limits, open_upload
from pneumonia.imaging.dicom import extract_study, read_accession_number


def serve(channel: socket.socket, memory: mmap.mmap, limits: Limits) -> None:
    """Decode what comes, until the other side hangs up or it is time for a fresh decoder.

    A film that is refused is the last one: what it may have left behind must not meet the next
    patient's.
    """
    most_bytes = _peak_bytes() + bounds.GROWN_BYTES
    left = bounds.UPLOADS_PER_DECODER
    with channel.makefile("rb") as requests:
        while left and (line := requests.readline()):
            request = json.loads(line)
            data = memory[: request["bytes"]]
            confinement.limit_time()
            try:
                upload = open_upload(data, limits)
                channel.sendall(pack(pixels=upload.pixels))
                if not requests.readline():  # hung up: there was no room for its pixels
                    return
                radiograph = upload.decode()
            except ImageError as error:
                channel.sendall(pack(code=error.code, detail=error.detail))
                return
            except MemoryError:
                channel.sendall(pack(code=DecoderStopped.code, detail=TOO_MUCH_MEMORY))
                return
            study, accession = b"", ""
            if radiograph.format == "DICOM":
                study = _study(data, request["turn"]) if request["study"] else b""
                accession = read_accession_number(data) if request["accession"] else ""
            lay_down(radiograph, memory)
            left = 0 if _peak_bytes() > most_bytes else left - 1
            channel.sendall(
                pack(
                    radiograph=describe(radiograph),
                    study=study.hex(),
                    accession=accession,
                    again=left > 0,
                )
            )


def _study(data: bytes, turn: int) -> bytes:
    """Whose film it is; one that does not say is read all the same."""
    try:
        return extract_study(data, turn)
    except ImageError:
        return b""


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
