# SPDX-License-Identifier: Apache-2.0
"""Steps that misbehave: crash, hang, print a gigabyte, fill the disk. And data that does."""
import time

import pytest


def pipeline(step):
    return f"kind: pipeline\nname: p\nsteps:\n  - name: s\n{step}"


def shell(script, more=""):
    return pipeline(f"    kind: run\n    command: [sh, -c, {script!r}]\n{more}")


def run_step(server, yaml, files=(), timeout=120):
    run = server.wait_run(server.submit(yaml, files), timeout)
    return run["steps"][0]


def test_a_crash_is_named(server):
    step = run_step(server, shell("kill -SEGV $$"))
    assert step["status"] == "failed" and step["attempts"][0]["n"] == 1
    assert "SIGSEGV" in step["error"]["message"] or "signal 11" in step["error"]["message"], step


def test_a_hang_ends_at_its_timeout_with_all_its_children(server, tmp_path):
    mark = tmp_path / "alive"
    script = f"trap '' TERM; (trap '' TERM; while :; do date > {mark}; sleep 0.2; done) & wait; sleep 600"
    step = run_step(server, shell(script, "    timeout: 1s\n"))
    assert step["status"] == "failed" and "timeout" in step["error"]["message"].lower(), step
    assert step["attempts"][0]["reason"] == "timeout"
    before = mark.read_text()
    time.sleep(1.5)
    assert mark.read_text() == before  # the grandchild that ignored SIGTERM is gone


def test_a_gigabyte_of_output_is_cut_and_the_step_succeeds(server):
    step = run_step(server, shell("head -c 1000000000 /dev/zero | tr '\\0' 'x'; echo end"), timeout=240)
    assert step["status"] == "succeeded", step
    logs = list(server.data.glob("runs/*/s/1/log"))
    assert logs and max(p.stat().st_size for p in logs) < 100_000_000


def test_a_step_that_fills_the_disk_is_stopped(server):
    step = run_step(server, shell("while :; do head -c 10000000 /dev/zero >> big; sleep 0.1; done",
                                  "    disk: 50m\n"))
    assert step["status"] == "failed" and "disk" in step["error"]["message"], step
    assert not list(server.data.glob("runs/**/big"))  # the disk is free again


def test_retries_are_counted_and_said(server, tmp_path):
    count = tmp_path / "count"
    step = run_step(server, shell(f"echo x >> {count}; test $(wc -l < {count}) -ge 3",
                                  "    retries: {count: 2, delay: 10ms}\n"))
    assert step["status"] == "succeeded" and len(step["attempts"]) == 3
    assert [a["status"] for a in step["attempts"]] == ["failed", "failed", "succeeded"]


def test_a_followed_log_ends_with_its_attempt(server, tmp_path):
    go = tmp_path / "go"
    script = (f"if mkdir {tmp_path}/one; then echo first; while ! test -e {go}; do sleep 0.1; done; "
              "exit 1; else echo second; sleep 600; fi")
    run = server.submit(shell(script, "    retries: {count: 1, delay: 1ms}\n"))
    while server.get(f"/api/v1/runs/{run}").json()["steps"][0]["status"] != "running":
        time.sleep(0.05)
    with server.get(f"/api/v1/runs/{run}/steps/s/log?follow=1", stream=True) as log:
        pieces = log.iter_content(None)
        heard = next(pieces)
        go.touch()
        heard += b"".join(pieces)
    assert heard.startswith(b"first\n") and b"second" not in heard
    step = server.get(f"/api/v1/runs/{run}").json()["steps"][0]
    assert step["attempts"][0]["status"] == "failed"
    assert server.post(f"/api/v1/runs/{run}/cancel").status_code == 200
    assert server.wait_run(run, 60)["status"] == "cancelled"


def test_cancel_ends_a_run(server):
    run = server.submit(shell("sleep 600"))
    while server.get(f"/api/v1/runs/{run}").json()["steps"][0]["status"] != "running":
        time.sleep(0.05)
    assert server.post(f"/api/v1/runs/{run}/cancel").status_code == 200
    assert server.wait_run(run, 60)["status"] == "cancelled"


def test_a_failed_step_skips_what_needs_it_and_nothing_else(server):
    run = server.wait_run(server.submit("""kind: pipeline
name: p
steps:
  - {name: bad, kind: run, command: ["false"]}
  - {name: needs, kind: run, command: ["true"], after: [bad]}
  - {name: free, kind: run, command: ["true"]}
"""))
    assert run["status"] == "failed"
    assert {s["name"]: s["status"] for s in run["steps"]} == {
        "bad": "failed", "needs": "skipped", "free": "succeeded"}


INGEST = "    kind: ingest\n    path: t.csv\n    dataset: {}\n"


@pytest.mark.parametrize("csv,says", [
    (b"a,b\n1,2\n3\n", ["3"]),
    (b"a,b\n1,2\n3,4,5\n", ["3"]),
    (b"a,b\n" + b"1,2\n" * 30000 + b"x,4\n", ["30002", "a", "x"]),
    (b"", ["empty"]),
    (b"a,a\n1,2\n", ["a"]),
    ("a,b\n1,2\n".encode("utf-16"), ["UTF-16"]),
], ids=["short-row", "long-row", "late-text", "empty", "same-name", "utf-16"])
def test_bad_csv_says_which_line(server, csv, says):
    step = run_step(server, pipeline(INGEST.format("bad")), {"t.csv": csv})
    assert step["status"] == "failed", step
    for word in says:
        assert word in step["error"]["message"], step["error"]
    assert server.get("/api/v1/datasets/bad").status_code == 404  # nothing half-made


def test_good_csv_becomes_a_version(server):
    csv = "name,n,x,when\nA,1,1.5,2013-01-01 10:00:00\nB,,2.5,2013-01-02 11:30:00\n".encode()
    for version in range(2):
        step = run_step(server, pipeline(INGEST.format("good")), {"t.csv": csv})
        assert step["status"] == "succeeded", step
        assert step["outputs"] == [{"type": "dataset", "name": "good", "version": version}]
    got = server.get("/api/v1/datasets/good").json()
    assert got["rows"] == 2 and got["version"] == 1
    assert {c["name"]: c["type"] for c in got["schema"]} == {
        "name": "string", "n": "long", "x": "double", "when": "timestamp"}
    assert got["sample"][1]["n"] is None and got["sample"][0]["name"] == "A"
    versions = server.get("/api/v1/datasets/good/versions").json()["versions"]
    assert [v["version"] for v in versions] == [1, 0]


def test_json_lines_and_unknown_columns_in_sql(server):
    rows = b'{"a": 1, "b": "x"}\n{"a": 2, "b": null}\n'
    yaml = """kind: pipeline
name: p
steps:
  - {name: load, kind: ingest, path: t.jsonl, dataset: lines}
  - {name: q, kind: sql, inputs: [lines], dataset: out, sql: "select a,\\n  bb from lines"}
"""
    run = server.wait_run(server.submit(yaml, {"t.jsonl": rows}))
    load, q = run["steps"]
    assert load["status"] == "succeeded" and q["status"] == "failed"
    assert "bb" in q["error"]["message"] and "2:" in q["error"]["message"], q["error"]


def test_lines_that_are_no_json_are_left_out_and_told(server):
    rows = b'{"a": 1, "b": "x"}\n\n{"a": 2, "b":\nnot json\n{"a": 3, "b": "z"}\n'
    skip = "    kind: ingest\n    path: t.jsonl\n    dataset: told\n    on_error: skip\n"
    step = run_step(server, pipeline(skip), {"t.jsonl": rows})
    assert step["status"] == "succeeded" and "2 bad rows left out" in step["summary"], step
    assert server.get("/api/v1/datasets/told").json()["sample"] == [
        {"a": 1, "b": "x"}, {"a": 3, "b": "z"}]
    step = run_step(server, pipeline(skip.replace("skip", "fail")), {"t.jsonl": rows})
    assert step["status"] == "failed" and "t.jsonl:3: " in step["error"]["message"], step
    step = run_step(server, pipeline(skip.replace("told", "none")), {"t.jsonl": b"x\ny\n"})
    assert step["status"] == "failed" and "no good rows: t.jsonl:1: " in step["error"]["message"]


@pytest.mark.parametrize("name", ["good.csv", "t.csv"])
def test_a_file_may_have_any_name(server, name):
    csv = b"a,b\n" + b"1,2\n" * 100000 + b"3,4,5\n"
    step = run_step(server, pipeline(f"    kind: ingest\n    path: {name}\n    dataset: named\n"
                                     "    on_error: skip\n"), {name: csv})
    assert step["status"] == "succeeded" and "100000 rows" in step["summary"], step
    assert "1 bad rows left out" in step["summary"], step


def test_the_same_rows_under_two_names_are_one_input(server):
    yaml = """kind: pipeline
name: p
steps:
  - {name: load, kind: ingest, path: t.csv, dataset: twice}
  - {name: q, kind: sql, inputs: {x: twice, y: twice}, dataset: joined,
     sql: "select x.a from x join y using (a)"}
"""
    run = server.wait_run(server.submit(yaml, {"t.csv": b"a\n1\n2\n"}))
    assert run["status"] == "succeeded", run
    assert server.get("/api/v1/datasets/joined").json()["inputs"] == [{"name": "twice", "version": 0}]


def test_sql_reaches_nothing_but_its_inputs(server):
    yaml = pipeline("""    kind: sql
    inputs: []
    dataset: stolen
    sql: "select * from read_csv('/etc/passwd', header=false)"
""")
    answer = server.post("/api/v1/runs", {"yaml": yaml})
    if answer.status_code == 201:
        step = server.wait_run(answer.json()["id"])["steps"][0]
        assert step["status"] == "failed", step
    assert server.get("/api/v1/datasets/stolen").status_code == 404


def test_an_attempts_token_opens_nothing_once_it_is_over(server):
    step = run_step(server, shell("tenon status > /dev/null && echo token=$TENON_TOKEN"))
    assert step["status"] == "succeeded", step
    run = server.get("/api/v1/runs?limit=1").json()["runs"][0]["id"]
    token = server.get(f"/api/v1/runs/{run}/steps/s/log").text.split("token=")[1].split()[0]
    assert server.get("/api/v1/status", token=token).status_code == 401
    kinds = {t["kind"] for t in server.get("/api/v1/tokens").json()["tokens"]}
    assert "attempt" not in kinds
