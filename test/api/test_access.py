# SPDX-License-Identifier: Apache-2.0
"""Deny by default: the walk through the route table, tokens, links, Host and Origin."""
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "src/api/routes.c").read_text()
ROUTE = re.compile(r'\{"([A-Z]+)", "([^"]+)", ROUTE_\w+, (\w+),')
ROUTES = ROUTE.findall(TABLE)
OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/api/v1/session"), ("GET", "/v2"),
        ("GET", "/v2/health/live"), ("GET", "/v2/health/ready"), ("GET", "/"), ("GET", "/console"),
        ("GET", "/console/{rest:path}"), ("GET", "/assets/{rest:path}")}
EXAMPLES = {"digest": "0" * 64, "id": "0" * 32, "int": "1", "ref": "latest", "path": "x"}
ROLES = {"owner": {"PERM_READ", "PERM_WRITE", "PERM_PREDICT", "PERM_ADMIN", "READ_OR_PREDICT"},
         "editor": {"PERM_READ", "PERM_WRITE", "PERM_PREDICT", "READ_OR_PREDICT"},
         "reader": {"PERM_READ", "READ_OR_PREDICT"},
         "caller": {"PERM_PREDICT", "READ_OR_PREDICT"}}


def concrete(pattern):
    return re.sub(r"\{(\w+)(?::(\w+))?\}", lambda m: EXAMPLES.get(m[2], "some-name"), pattern)


def test_the_table_was_read():
    assert len(ROUTES) > 40
    assert {(m, p) for m, p, perm in ROUTES if perm == "PERM_NONE"} == OPEN


def test_every_route_is_documented():
    documented = (ROOT / "docs/api.md").read_text()
    for _, pattern, _ in ROUTES:
        plain = re.sub(r"\{(\w+):\w+\}", r"{\1}", pattern)
        stem = plain.split("/{rest}")[0]
        assert stem in documented or stem.split("/versions/{n}")[0] in documented, pattern


@pytest.mark.parametrize("method,pattern,perm", ROUTES)
def test_nobody_gets_in_without_a_credential(server, method, pattern, perm):
    if perm == "PERM_NONE":
        return  # listed by name above
    answer = server.call(method, concrete(pattern), token="")
    assert answer.status_code == 401, (method, pattern, answer.text)
    assert "Bearer" in answer.headers["WWW-Authenticate"]
    answer = server.call(method, concrete(pattern), token="tn_" + "A" * 43)
    assert answer.status_code == 401, (method, pattern, answer.text)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reaches_what_its_permissions_say(server, role):
    secret = server.post("/api/v1/tokens", {"name": f"walk-{role}", "role": role}).json()["secret"]
    for method, pattern, perm in ROUTES:
        if perm == "PERM_NONE" or pattern == "/api/v1/events":
            continue
        if (method, pattern) == ("DELETE", "/api/v1/session"):
            continue  # would end the token we walk with
        answer = server.call(method, concrete(pattern), token=secret)
        if perm in ROLES[role]:
            assert answer.status_code not in (401, 403), (role, method, pattern, answer.text)
        else:
            assert answer.status_code == 403, (role, method, pattern, answer.text)


def test_unknown_paths_and_methods(server):
    assert server.get("/api/v1/nothing").status_code == 404
    answer = server.call("PATCH", "/api/v1/datasets")
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]


def test_owner_token_is_for_its_owner_only(server):
    mode = (server.data / "owner.token").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


def test_no_secret_is_in_the_database(server):
    made = server.post("/api/v1/tokens", {"name": "thief", "role": "reader"}).json()
    server.get("/api/v1/tokens")
    stolen = b"".join(p.read_bytes() for p in server.data.glob("tenon.db*"))
    assert made["id"].encode() in stolen  # we did look at the right file
    assert made["secret"].encode() not in stolen and server.token.encode() not in stolen


def test_a_revoked_token_is_dead_at_once(server):
    made = server.post("/api/v1/tokens", {"name": "short", "role": "reader"}).json()
    assert server.get("/api/v1/status", token=made["secret"]).status_code == 200
    assert server.delete(f"/api/v1/tokens/{made['id']}").status_code == 200
    for _ in range(20):  # every loop
        assert requests.get(server.url + "/api/v1/status", timeout=10, headers={
            "Authorization": f"Bearer {made['secret']}"}).status_code == 401


def test_an_editor_cannot_make_tokens(server):
    editor = server.post("/api/v1/tokens", {"name": "ed", "role": "editor"}).json()["secret"]
    assert server.post("/api/v1/tokens", {"name": "x"}, token=editor).status_code == 403


def test_a_link_works_once_even_in_a_race(server):
    link = server.post("/api/v1/links").json()["url"].split("#link=")[1]

    def redeem(_):
        return requests.post(server.url + "/api/v1/session", json={"link": link}, timeout=10)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(redeem, range(16)))
    good = [a for a in answers if a.status_code == 200]
    assert len(good) == 1 and {a.status_code for a in answers if a not in good} == {401}
    cookie = good[0].headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    session = requests.Session()
    session.cookies.update(good[0].cookies)
    assert session.get(server.url + "/api/v1/status", timeout=10).status_code == 200
    # a state change with the cookie needs our own Origin
    for origin, status in ((server.url, 200), ("https://evil.example", 403), ("null", 403)):
        answer = session.delete(server.url + "/api/v1/session" if status == 200 else
                                server.url + "/api/v1/endpoints/none",
                                headers={"Origin": origin}, timeout=10)
        assert answer.status_code == status, answer.text
        if status == 200:
            break
    assert session.get(server.url + "/api/v1/status", timeout=10).status_code == 401


def test_a_foreign_origin_is_refused(server):
    answer = server.post("/api/v1/tokens", {"name": "x"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "https://evil.example" in answer.json()["error"]["message"]


def test_a_foreign_host_is_refused(server):
    for host, status in ((f"127.0.0.1:{server.port}", 200), (f"localhost:{server.port}", 200),
                         ("localhost", 200), ("evil.example", 403), (f"evil.example:{server.port}", 403)):
        answer = server.get("/api/v1/status", headers={"Host": host})
        assert answer.status_code == status, (host, answer.text)


def test_a_session_survives_a_restart_and_a_link_is_not_reborn(fresh):
    server = fresh()
    link = server.post("/api/v1/links").json()["url"].split("#link=")[1]
    made = requests.post(server.url + "/api/v1/session", json={"link": link}, timeout=10)
    token = server.token
    assert server.stop() == 0
    server.start()
    assert server.token == token
    assert requests.get(server.url + "/api/v1/status", cookies=made.cookies, timeout=10).status_code == 200
    assert requests.post(server.url + "/api/v1/session", json={"link": link}, timeout=10).status_code == 401
