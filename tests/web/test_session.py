"""The key that signs sessions: given, or made once, for this user's eyes only."""

import threading
from pathlib import Path
from typing import Any

from pneumonia.web.session import load_secret_key


def test_the_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    key = load_secret_key(tmp_path / "var")
    assert len(key) == 64
    assert load_secret_key(tmp_path / "var") == key
    assert (tmp_path / "var" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (tmp_path / "var").iterdir()] == ["secret_key"]


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    assert load_secret_key(tmp_path / "a") != load_secret_key(tmp_path / "b")


def test_many_at_once_get_the_same_key(tmp_path: Path) -> None:
    gate, keys = threading.Barrier(16), []

    def load() -> None:
        gate.wait()
        keys.append(load_secret_key(tmp_path / "var"))

    threads = [threading.Thread(target=load) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 16
    assert len(set(keys)) == 1


def test_a_given_key_is_used_and_nothing_is_written(make_app: Any, tmp_path: Path) -> None:
    app = make_app(start=False, secret_key="s3" * 16)
    app.test_client().get("/model")
    assert app.secret_key == "s3" * 16
    assert not (tmp_path / "var" / "secret_key").exists()


def test_a_session_outlives_the_process(make_app: Any, token: Any, radiograph_png: bytes) -> None:
    first = make_app().test_client()
    csrf = token(first)
    cookie = first.get_cookie("session")
    second = make_app().test_client()
    second.set_cookie("session", cookie.value)
    response = second.post("/samples/clear-1", data={"csrf_token": csrf})
    assert response.status_code == 303
