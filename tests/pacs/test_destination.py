"""Where results go, over TLS as well; and the settings that say so."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pneumonia.config import Settings
from pneumonia.errors import BadSetting, PeerRefused, PeerUnreachable
from pneumonia.pacs.destination import Pacs, parse_destination
from pneumonia.pacs.tls import Certificates
from tests.pacs.reader import SILENCE_S, Reader

Make = Callable[..., Reader]


def make_certificate(folder: Path, name: str) -> Certificates:
    """Of this computer, signed by itself, and trusted for that."""
    own, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {own}".split(),
        check=True,
        capture_output=True,
    )
    return Certificates(str(own), str(key), str(own))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificate(tmp_path_factory.mktemp("tls"), "reader")


def pacs(port: int, tls: Certificates | None = None) -> Pacs:
    return Pacs("PNEUMONIA", "127.0.0.1", port, "TESTER", SILENCE_S, tls)


def test_over_tls_both_show_who_they_are(
    reader: Make, certificates: Certificates, tmp_path: Path
) -> None:
    here = reader(certificates=certificates)
    pacs(here.port, certificates).verify()
    stranger = make_certificate(tmp_path, "stranger")
    for tls in (
        None,  # no TLS at all
        Certificates(authorities=certificates.own),  # no certificate of its own
        Certificates(stranger.own, stranger.key, certificates.own),  # one that is not trusted
        stranger,  # which does not trust us
    ):
        with pytest.raises(PeerUnreachable):
            pacs(here.port, tls).verify()


def test_one_that_does_not_know_us_or_does_not_answer_is_a_sentence(reader: Make) -> None:
    here = reader(peers=("SOMEBODY",))
    with pytest.raises(PeerRefused, match="administrator add TESTER to the systems"):
        pacs(here.port).verify()
    here.close()
    with pytest.raises(PeerUnreachable, match="PNEUMONIA does not answer at 127"):
        pacs(here.port).verify()


def test_a_pacs_that_takes_no_reports_is_a_sentence(reader: Make) -> None:
    from pneumonia.dicom.results import make_results
    from pneumonia.imaging.dicom import read_result
    from tests.dicom.jane import FILM, FINDING, film

    here = reader()  # it takes films, and no reports
    report = read_result(make_results(film(), FILM, FINDING).report)
    with (
        pacs(here.port).connect() as send,
        pytest.raises(PeerRefused, match="PNEUMONIA accepts no Comprehensive SR Storage"),
    ):
        send([report])


@pytest.mark.parametrize(
    "url",
    [
        "ORTHANC@pacs:104",
        "dicom://pacs:104",
        "dicom://ORTHANC@pacs",
        "dicom://A@pacs:port",
        "ftp://a",
    ],
)
def test_what_is_no_destination_is_refused(url: str) -> None:
    with pytest.raises(BadSetting, match="must be dicom://AE_TITLE@HOST:PORT"):
        parse_destination(url, "PNEUMONIA", 1.0, Certificates(), "")


def test_destinations_are_read() -> None:
    def parse(url: str) -> Pacs:
        found = parse_destination(url, "PNEUMONIA", 1.0, Certificates("own.pem"), "")
        assert isinstance(found, Pacs)
        return found

    plain = parse("dicom://MAIN%20PACS@pacs.example:104")
    assert (plain.name, plain.host, plain.port, plain.tls) == (
        "MAIN PACS",
        "pacs.example",
        104,
        None,
    )
    assert parse("dicoms://PACS@[::1]:2762").tls == Certificates("own.pem")
    assert parse_destination("", "PNEUMONIA", 1.0, Certificates(), "") is None


def test_certificates_that_cannot_be_used_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for certificates in (
        Certificates("/nowhere.pem"),
        Certificates(str(tmp_path / "empty.pem")),
    ):
        with pytest.raises(BadSetting, match="must be a PEM file that this process may read"):
            certificates.for_listening()
    assert Certificates().for_listening() is None


def test_a_receiver_that_others_can_reach_needs_names() -> None:
    Settings().check_receiver()
    Settings(dicom_host="0.0.0.0", dicom_peers="ORTHANC, CR ROOM 2").check_receiver()
    assert Settings(dicom_peers="ORTHANC, CR ROOM 2").peer_titles == ("ORTHANC", "CR ROOM 2")
    with pytest.raises(BadSetting, match="anybody could send"):
        Settings(dicom_host="0.0.0.0").check_receiver()
    for title in ("A" * 17, "back\\slash", "Ümlaut"):
        with pytest.raises(BadSetting, match="an AE title has 1 to 16 characters"):
            Settings(dicom_peers=title).check_receiver()
