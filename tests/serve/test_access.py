"""API keys and roles; open only on loopback; no secret in a log."""

import hashlib

import pytest
from starlette.testclient import TestClient

from zhiyin.errors import ConfigError
from zhiyin.serve.app import create_app
from zhiyin.serve.running import store_place
from zhiyin.serve.settings import ApiKey, ServeSettings, load_serve_settings, new_key

KEYS = {role: f"zy_{role}_secret" for role in ("reader", "writer", "admin")}
ASK = {"asks": [{"user": "u1"}], "k": 1}
EVENT = {"events": [{"user": "u1", "item": "0001"}]}
CALLS = [
    ("reader", "POST", "/v1/recommend", ASK),
    ("reader", "GET", "/v1/users/u1/description", None),
    ("reader", "GET", "/metrics", None),
    ("writer", "POST", "/v1/events", EVENT),
    ("writer", "POST", "/v1/feedback", {"feedback": [{"key": "k", "slate": "s"}]}),
    ("admin", "PUT", "/v1/items", {"items": [{"id": "x"}]}),
    ("admin", "POST", "/v1/items/hide", {"ids": ["x"]}),
    ("admin", "DELETE", "/v1/items/x", None),
    ("admin", "PUT", "/v1/users", {"users": [{"id": "x"}]}),
    ("admin", "DELETE", "/v1/users/x", None),
]


@pytest.fixture
def guarded(folder):
    keys = tuple(
        ApiKey(name=role, role=role, sha256=hashlib.sha256(key.encode()).hexdigest())
        for role, key in KEYS.items()
    )
    settings = ServeSettings(keys=keys)
    with TestClient(create_app(folder, store_place(folder, settings), settings)) as client:
        yield client


def test_roles(guarded):
    ranks = list(KEYS)
    for role, method, path, body in CALLS:
        assert guarded.request(method, path, json=body).status_code == 401, path
        wrong = guarded.request(method, path, json=body, headers={"authorization": "Bearer zy_wrong"})
        assert wrong.status_code == 401
        for held, key in KEYS.items():
            answer = guarded.request(method, path, json=body, headers={"authorization": f"Bearer {key}"})
            allowed = ranks.index(held) >= ranks.index(role)
            assert (answer.status_code == 200) is allowed, (path, held, answer.text)
            assert allowed or answer.status_code == 403
    assert guarded.get("/health/live").status_code == 200
    assert guarded.get("/health/ready").status_code == 200
    assert guarded.post("/v1/recommend", json=ASK, headers={"x-api-key": KEYS["reader"]}).status_code == 200


def test_every_route_has_a_role(guarded):
    paths = guarded.get("/openapi.json").json()["paths"]
    routes = {(method.upper(), path) for path, found in paths.items() for method in found}
    named = {
        (method, path.replace("/x", "/{item}") if "items" in path else path) for _, method, path, _ in CALLS
    }
    named = {
        (method, path.replace("users/x", "users/{user}").replace("users/u1", "users/{user}"))
        for method, path in named
    }
    assert routes == named | {("GET", "/health/live"), ("GET", "/health/ready")}


def test_the_log_holds_no_secret(guarded, capfd):
    from zhiyin.logs import configure

    configure(level="info", as_json=True)
    try:
        asked = {"asks": [{"user": "u1", "text": "a private wish"}], "k": 1}
        guarded.post("/v1/recommend", json=asked, headers={"authorization": f"Bearer {KEYS['reader']}"})
        guarded.post("/v1/recommend", json=asked, headers={"authorization": "Bearer zy_mistyped"})
    finally:
        configure()
    log = capfd.readouterr().err
    assert '"status": 200' in log and '"status": 401' in log and '"key": "reader"' in log
    for secret in (KEYS["reader"], "zy_mistyped", "private wish"):
        assert secret not in log


def test_open_to_others_only_with_keys():
    for host in ("127.0.0.1", "localhost", "::1"):
        assert load_serve_settings(overrides={"host": host}).loopback
    for host in ("0.0.0.0", "::", "192.168.1.5", "shop.example"):
        with pytest.raises(ConfigError, match="anybody"):
            load_serve_settings(overrides={"host": host})


def test_settings_come_from_file_environment_and_command_line(tmp_path, monkeypatch):
    key, digest = new_key()
    assert hashlib.sha256(key.encode()).hexdigest() == digest
    file = tmp_path / "server.toml"
    file.write_text(
        f'host = "0.0.0.0"\nport = 1\n[[keys]]\nname = "shop"\nrole = "writer"\nsha256 = "{digest}"\n'
    )
    monkeypatch.setenv("ZHIYIN_SERVE__WORKERS", "3")
    found = load_serve_settings(file, {"port": 2})
    assert (found.host, found.port, found.workers, found.keys[0].role) == ("0.0.0.0", 2, 3, "writer")
    assert found.origins["port"] == "command line" and found.origins["workers"] == "environment"
    for text, message in (("port = 'x'", "port"), ("colour = 1", "colour"), ("[[", "TOML")):
        file.write_text(text)
        with pytest.raises(ConfigError, match=message):
            load_serve_settings(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_serve_settings(tmp_path / "absent.toml")
