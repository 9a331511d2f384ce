# SPDX-License-Identifier: Apache-2.0
"""Attacks that worked on others, tried on our doors. Numbers are rows of the regression list."""
import socket
import subprocess
import time

import pytest
import requests

DIGEST, RUN = "0" * 64, "0" * 32


def ask(server, method, path, body=b"", fields=()):
    """A request whose path no library tidies up: (status, fields, body)."""
    head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}",
            f"Authorization: Bearer {server.token}", "Content-Type: application/json",
            f"Content-Length: {len(body)}", "Connection: close", *fields, "", ""]
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        s.sendall("\r\n".join(head).encode("latin-1") + body)
        got = b""
        while piece := s.recv(65536):
            got += piece
    head, body = got.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), head.decode("latin-1"), body


CLIMBS = ["..", "../../owner.token", "..%2f..%2fowner.token", "%2e%2e%2fowner.token",
          "%252e%252e%252fowner.token", "..;/owner.token", "x%00", "..%5cowner.token", "/etc/passwd",
          "%2fetc%2fpasswd", "//proc/self/root", "file:%2f%2f%2fetc%2fpasswd"]
DOORS = [("GET", "/api/v1/blobs/{}"), ("GET", "/api/v1/datasets/{}"),
         ("GET", "/api/v1/datasets/{}/versions"), ("GET", f"/api/v1/runs/{RUN}/steps/{{}}/log"),
         ("GET", "/api/v1/runs/{}"), ("GET", "/api/v1/models/{}/versions/latest/download"),
         ("GET", "/api/v1/models/m/versions/{}/download"), ("PUT", "/api/v1/endpoints/{}"),
         ("DELETE", "/api/v1/endpoints/{}"), ("DELETE", "/api/v1/tokens/{}"),
         ("GET", "/v2/models/{}"), ("POST", "/v2/models/{}/infer"), ("GET", "/console/{}")]


@pytest.mark.parametrize("method,door", DOORS)
@pytest.mark.parametrize("climb", CLIMBS)
def test_no_name_is_a_path(server, method, door, climb):  # 1, 3, 4, 8, 10
    body = b'{"model": "m"}' if method in ("POST", "PUT") else b""
    status, _, answer = ask(server, method, door.format(climb), body)
    if door == "/console/{}":  # always the console's page, whatever the path
        assert status in (200, 400)
    else:
        assert status in (400, 404, 405), answer
    assert server.token.encode() not in answer and b"root:" not in answer
    assert (server.data / "owner.token").exists()


@pytest.mark.parametrize("source", ["source", "uri", "url", "path", "artifact_uri"])
def test_content_has_a_digest_and_no_address(server, source):  # 2, 5, 6, 9, 19, 20
    answer = server.put("/api/v1/endpoints/e", {"model": "m", source: "http://169.254.169.254/x"})
    assert answer.status_code == 400 and f"'{source}'" in answer.json()["error"]["message"]
    answer = server.post("/api/v1/runs", {"yaml": "x", source: "file:///etc/passwd"})
    assert answer.status_code == 400 and f"'{source}'" in answer.json()["error"]["message"]


def test_files_of_a_run_are_blobs_that_are_there(server):  # 5, 11
    yaml = "kind: pipeline\nname: p\nsteps:\n  - {name: i, kind: ingest, path: a.csv, dataset: d}\n"
    for digest in ("/etc/passwd", "../owner.token", DIGEST, "", 7, None):
        answer = server.post("/api/v1/runs", {"yaml": yaml, "files": {"a.csv": digest}})
        assert answer.status_code in (400, 404), answer.text
    assert server.get("/api/v1/runs").json()["runs"] == []


def test_there_is_no_proxy_and_no_default_account(server):  # 13, 21, 27
    for path in ("/log_proxy?url=http://127.0.0.1", "/proxy", "/api/v1/proxy", "/api/v1/users",
                 "/login", "/api/v1/files?path=/etc/passwd", "/profile", "/debug"):
        assert server.get(path).status_code == 404
    for token in ("owner", "admin", "tn_", "password"):
        assert server.get("/api/v1/status", token=token).status_code == 401


def test_what_was_uploaded_does_not_run_in_a_browser(server):  # 15, 30
    script = b"<script>alert(document.cookie)</script>"
    digest = server.call("POST", "/api/v1/blobs", data=script).json()["digest"]
    answer = server.get(f"/api/v1/blobs/{digest}")
    assert answer.content == script
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert server.get(f"/api/v1/blobs/{digest}", token="").status_code == 401


def test_no_header_and_no_log_line_is_forged(server):  # 45
    before = len(server.log.read_text().splitlines())
    for name in ("a\nb", "a\r\nSet-Cookie: x=1", "\x1b[2J", "a\x7f", "", "x" * 64, 7, None):
        assert server.post("/api/v1/tokens", {"name": name}).status_code == 400
    for path in ("/%0d%0aSet-Cookie:%20x=1", "/api/v1/datasets/%0aserver_ready"):
        status, head, _ = ask(server, "GET", path)
        assert status in (400, 404) and "Set-Cookie" not in head
    status, head, _ = ask(server, "GET", "/healthz", fields=["X-Request-Id: forged"])
    assert status == 200 and "forged" not in head
    added = server.log.read_text().splitlines()[before:]
    assert not [line for line in added if "server_ready" in line or "Set-Cookie" in line]


def test_idle_connections_do_not_take_the_files_of_the_store(binary, tmp_path):
    """With 256 descriptors in all, 400 clients that say nothing; who was here before still works."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, idle = f"http://127.0.0.1:{port}", []
    with open(tmp_path / "log", "w") as log:
        up = subprocess.Popen(["sh", "-c", 'ulimit -n 256; exec "$@"', "sh", binary, "up", "--data",
                               tmp_path / "d", "--listen", f"127.0.0.1:{port}"],
                              stdout=log, stderr=log)
    try:
        client = requests.Session()
        deadline = time.monotonic() + 30
        while True:
            try:
                client.get(url + "/healthz", timeout=5)
                break
            except requests.ConnectionError:
                assert time.monotonic() < deadline and up.poll() is None
                time.sleep(0.05)
        token = (tmp_path / "d/owner.token").read_text().strip()
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get(url + "/api/v1/status", timeout=20).status_code == 200
        for _ in range(400):
            idle.append(socket.create_connection(("127.0.0.1", port), timeout=20))
        for i in range(20):
            made = client.post(url + "/api/v1/blobs", data=b"%d" % i, timeout=20)
            assert made.status_code == 201, made.text
            got = client.get(f"{url}/api/v1/blobs/{made.json()['digest']}", timeout=20)
            assert got.content == b"%d" % i
            assert client.post(url + "/api/v1/tokens", json={"name": "t"}, timeout=20).status_code == 201
    finally:
        for s in idle:
            s.close()
        up.terminate()
        up.wait(30)
