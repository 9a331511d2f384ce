# SPDX-License-Identifier: Apache-2.0
"""Bad input over HTTP gets a clear error and loses nothing."""
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest


def error(answer, status):
    assert answer.status_code == status, answer.text
    body = answer.json()["error"]
    assert set(body) >= {"code", "message"}
    return body["message"]


@pytest.mark.parametrize("body,says", [
    (b"", "empty"),
    (b"{", "line 1"),
    (b'{"yaml": "x",\n "params": }', "line 2"),
    (b'{"yaml": "x", "yaml": "y"}', "duplicate"),
    (b"[" * 200000, "nested deeper than 100"),
    (b'{"yaml": "\xff"}', "JSON"),
    (b'["yaml"]', "must be a JSON object, got an array"),
    (b'{"yaml": 1}', "'yaml' must be a string, got a number"),
    (b'{"file": "x"}', "'yaml' is required"),
    (b'{"yaml": "a: 1", "yamll": 1}', "unknown member 'yamll'"),
])
def test_malformed_json(server, body, says):
    answer = server.call("POST", "/api/v1/runs", data=body,
                         headers={"Content-Type": "application/json"})
    assert says in error(answer, 400)


def test_a_huge_body_is_refused_with_its_bound(server):
    answer = server.call("POST", "/api/v1/tokens", data=b"x" * 100000,
                         headers={"Content-Type": "application/json"})
    assert "4096" in error(answer, 413)


def test_a_body_of_another_type_is_not_parsed(server):
    answer = server.call("POST", "/api/v1/runs", data=b"\x80\x04K\x01.",
                         headers={"Content-Type": "application/x-pickle"})
    assert "must be JSON, not 'application/x-pickle'" in error(answer, 415)


@pytest.mark.parametrize("door", ["infer", "invocations"])
@pytest.mark.parametrize("kind,status", [
    ("application/x-pickle", 415), ("application/octet-stream", 415), ("text/csv", 415),
    ("application/json", 404), ("application/x-www-form-urlencoded", 404),  # curl -d
])
def test_predictions_take_json_alone(server, door, kind, status):
    answer = server.call("POST", f"/v2/models/none/{door}", data=b"\x80\x04K\x01.",
                         headers={"Content-Type": kind})
    assert answer.status_code == status
    assert ("must be JSON" if status == 415 else "no endpoint 'none'") in answer.json()["error"]


def test_errors_are_json_whatever_was_sent(server):
    answer = raw(server, b"GET /healthz HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 403")
    assert "'\ufffd\ufffd'" in json.loads(body.decode())["error"]["message"]


def raw(server, data):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while piece := s.recv(65536):
            got += piece
    return got


def test_a_truncated_body_is_nothing(server):
    before = server.get("/api/v1/tokens").json()["tokens"]
    head = (f"POST /api/v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.token}"
            "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n")
    got = raw(server, head.encode() + b'{"name": "half"')
    assert not got.startswith(b"HTTP/1.1 2")
    assert server.get("/api/v1/tokens").json()["tokens"] == before


def test_two_lengths_are_refused(server):
    got = raw(server, b"POST /v2/models/x/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400") and got.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("path", [
    "/assets/../../owner.token", "/assets/%2e%2e/%2e%2e/owner.token", "/assets/%252e%252e/owner.token",
    "/assets/..%2f..%2fowner.token", "/assets/%00", "/assets/x\\..\\y", "/assets//etc/passwd",
])
def test_no_path_leaves_the_assets(server, path):
    got = raw(server, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert got.split()[1] in (b"400", b"404"), got
    assert server.token.encode() not in got


def test_unknown_objects_are_named(server):
    assert "no dataset 'fligths'" in error(server.get("/api/v1/datasets/fligths"), 404)
    assert "no model 'm'" in error(server.get("/api/v1/models/m/versions/latest"), 404)
    assert "no endpoint 'e'" in error(server.get("/api/v1/endpoints/e"), 404)
    assert "'e'" in server.post("/v2/models/e/infer", {"inputs": []}).json()["error"]
    assert error(server.get("/api/v1/runs/" + "0" * 32), 404)
    assert error(server.get("/api/v1/blobs/" + "0" * 64), 404)


def test_bad_queries(server):
    assert "limit" in error(server.get("/api/v1/runs?limit=-1"), 400)
    assert "limit" in error(server.get("/api/v1/runs?limit=99999999"), 400)
    assert "limit" in error(server.get("/api/v1/runs?limit=abc"), 400)


def test_blobs_round_trip_with_ranges(server):
    content = bytes(range(256)) * 5000
    made = server.call("POST", "/api/v1/blobs", data=content).json()
    assert made["size"] == len(content)
    assert server.call("POST", "/api/v1/blobs", data=content).json() == made
    path = f"/api/v1/blobs/{made['digest']}"
    assert server.get(path).content == content
    part = server.get(path, headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206 and part.content == content[1000:2000]
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(content)}"
    assert server.get(path, headers={"Range": "bytes=-10"}).content == content[-10:]
    assert server.get(path, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    head = server.call("HEAD", path)
    assert head.status_code == 200 and head.headers["Content-Length"] == str(len(content))
    assert server.get(path, headers={"If-None-Match": head.headers["ETag"]}).status_code == 304


def test_events_stream_from_where_one_left(server):
    server.post("/api/v1/tokens", {"name": "event", "role": "reader"})
    with server.get("/api/v1/events?after=0", stream=True) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines(decode_unicode=True)
        data = next(line for line in lines if line.startswith("data: "))
    event = json.loads(data[6:])
    assert event["seq"] == 1 and "." in event["kind"]


def test_many_events_at_once_arrive_whole(fresh):
    """More of them than one piece of the stream holds, after a client was away."""
    server = fresh()
    teller = server.post("/api/v1/tokens", {"name": "\\" * 63, "role": "editor"}).json()["secret"]
    yaml = (f"kind: pipeline\nname: {'p' * 128}\nsteps:\n"
            "  - {name: wait, kind: run, command: [sleep, '60']}\n")
    count = 220

    def submit(_):
        return server.post("/api/v1/runs", {"yaml": yaml}, token=teller).json()["id"]

    with ThreadPoolExecutor(8) as pool:
        runs = set(pool.map(submit, range(count)))
    assert len(runs) == count
    expected = 1
    with server.get("/api/v1/events?after=0", stream=True) as answer:
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("data: "):
                event = json.loads(line[6:])
                assert event["seq"] == expected
                expected += 1
                if event["kind"] == "run.submitted":
                    runs.remove(event["data"]["run"])
            if not runs:
                break
