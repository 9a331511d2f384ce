# SPDX-License-Identifier: Apache-2.0
"""The whole loop over small data: rows in, model served, predictions out, lineage between."""
import json
import random

import pytest
import requests

PIPELINE = """kind: pipeline
name: loop
params: {rounds: 20}
steps:
  - {name: load, kind: ingest, path: trips.csv, dataset: trips}
  - name: features
    kind: sql
    inputs: [trips]
    dataset: trip_features
    sql: select *, hour >= 16 as evening from trips
  - name: train
    kind: train
    input: trip_features
    where: day < 20
    target: late
    exclude: [day]
    params: {rounds: "${params.rounds}", max_depth: 4, seed: 7}
  - {name: evaluate, kind: evaluate, model: train, input: trip_features, where: day >= 20}
  - {name: register, kind: register, model: train, metrics: evaluate, as: lateness}
  - {name: deploy, kind: deploy, model: lateness, endpoint: lateness, after: [register]}
  - {name: ask, kind: run, inputs: [trip_features], after: [deploy],
     command: [tenon, predict, lateness, --rows, "inputs/trip_features/*.parquet", --limit, "3", --truth, late]}
"""


def trips(n=4000):
    rng = random.Random(3)
    lines = ["carrier,hour,distance,day,late"]
    for _ in range(n):
        carrier, hour = rng.choice(["UA", "AA", "DL", ""]), rng.randrange(24)
        distance = rng.choice(["", str(rng.randrange(100, 3000))])
        p = 0.1 + 0.5 * (hour > 15) + 0.2 * (carrier == "UA")
        lines.append(f"{carrier},{hour},{distance},{rng.randrange(1, 31)},{str(rng.random() < p).lower()}")
    return "\n".join(lines).encode()


@pytest.fixture(scope="module")
def loop(server):
    run = server.wait_run(server.submit(PIPELINE,
                                        {"trips.csv": trips()}))
    assert run["status"] == "succeeded", json.dumps(run, indent=1)
    return run


def test_each_step_says_what_it_made(server, loop):
    outputs = {s["name"]: s["outputs"] for s in loop["steps"]}
    assert outputs["load"] == [{"type": "dataset", "name": "trips", "version": 0}]
    assert {"type": "model", "name": "lateness", "version": 1} in outputs["register"]
    metrics = {s["name"]: s["metrics"] for s in loop["steps"]}["evaluate"]
    assert 0.7 < metrics["auc"] < 0.9


def test_lineage_joins_model_run_and_data(server, loop):
    version = server.get("/api/v1/models/lateness/versions/latest").json()
    assert version["run"] == loop["id"]
    assert {"name": "trip_features", "version": 0, "role": "train"} in version["datasets"]
    assert version["metrics"]["auc"] == {s["name"]: s["metrics"] for s in loop["steps"]}["evaluate"]["auc"]
    features = server.get("/api/v1/datasets/trip_features").json()
    assert features["run"] == loop["id"] and features["inputs"] == [{"name": "trips", "version": 0}]
    tracked = server.get(f"/api/v1/runs/{loop['id']}/tracking").json()["runs"]
    assert any("rounds" in t["params"] for t in tracked)
    model = server.get("/api/v1/models/lateness/versions/latest/download")
    import hashlib
    assert hashlib.sha256(model.content).hexdigest() == version["digest"]


def test_predictions_by_rows_tensors_and_command_line_agree(server, loop):
    row = {"carrier": "UA", "hour": 18, "distance": 500, "evening": True}
    rows = server.post("/v2/models/lateness/invocations", {"rows": [row]}).json()["predictions"]
    signature = server.get("/api/v1/endpoints/lateness").json()["signature"]
    inputs = []
    for i in signature["inputs"]:
        value = row[i["name"]]
        inputs.append({"name": i["name"], "datatype": i["datatype"], "shape": [1, 1],
                       "data": [str(value) if i["datatype"] == "BYTES" else value]})
    tensors = server.post("/v2/models/lateness/infer", {"id": "q1", "inputs": inputs}).json()
    assert tensors["id"] == "q1" and tensors["model_version"] == "1"
    probability = next(o for o in tensors["outputs"] if o["name"] == "probability")
    classes = signature["classes"]
    by_class = dict(zip(classes, probability["data"]))
    assert rows[0]["probability"] == pytest.approx(by_class, abs=1e-6)
    assert sum(by_class.values()) == pytest.approx(1, abs=1e-5)
    said = server.cli("predict", "lateness", "carrier=UA", "hour=18", "distance=500", "evening=true",
                      "-o", "json").stdout
    assert json.loads(said)["predictions"][0]["probability"] == pytest.approx(by_class, abs=1e-6)


def test_missing_and_unseen_values_are_answered(server, loop):
    answer = server.post("/v2/models/lateness/invocations", {"rows": [
        {"carrier": None, "hour": 3, "evening": False, "distance": None},
        {"carrier": "ZZ", "hour": 3, "evening": False}]})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["predictions"]) == 2


@pytest.mark.parametrize("body,says", [
    ({"rows": [{"carrier": "UA", "hours": 3}]}, "hours"),
    ({"rows": [{"carrier": "UA", "hour": "late", "evening": True}]}, "hour"),
    ({"rows": [{"carrier": 7, "hour": 3, "evening": True}]}, "carrier"),
    ({"rows": "x"}, "expected an array, got a string"),
    ({}, "rows"),
])
def test_bad_rows_name_the_column(server, loop, body, says):
    answer = server.post("/v2/models/lateness/invocations", body)
    assert answer.status_code == 400 and says in answer.json()["error"], answer.text


def test_no_rows_no_predictions(server, loop):
    assert server.post("/v2/models/lateness/invocations", {"rows": []}).json() == {"predictions": []}


def tensor(**change):
    t = {"name": "hour", "datatype": "FP32", "shape": [1, 1], "data": [3]}
    t.update(change)
    return {"inputs": [t]}


@pytest.mark.parametrize("body,says", [
    (tensor(name="hous"), "hous"),
    (tensor(datatype="INT9"), "INT9"),
    (tensor(shape=[2, 1]), "2"),
    (tensor(shape=[1, 1, 1]), "shape"),
    (tensor(data=[[1], [2, 3]]), ""),
    (tensor(data=["x"]), "hour"),
    (tensor(shape=[-1, 1]), "shape"),
    ({"inputs": []}, ""),
    ({"inputs": 3}, "expected an array, got a number"),
])
def test_bad_tensors_are_explained(server, loop, body, says):
    answer = server.post("/v2/models/lateness/infer", body)
    assert answer.status_code == 400 and says in answer.json()["error"], answer.text


@pytest.mark.parametrize("body", [b"{", b"[" * 9999, b'{"inputs":[{"name":"hour"', b"\xff\xfe", b""],
                         ids=["open", "deep", "cut", "binary", "empty"])
def test_malformed_bodies_are_refused(server, loop, body):
    answer = server.call("POST", "/v2/models/lateness/infer", data=body,
                         headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.json()["error"]


def test_the_endpoint_survives_a_restart(server, loop):
    server.kill()
    server.start()
    for _ in range(200):
        if requests.get(server.url + "/v2/health/ready", timeout=5).status_code == 200:
            break
    answer = server.post("/v2/models/lateness/invocations",
                         {"rows": [{"carrier": "UA", "hour": 18, "evening": True}]})
    assert answer.status_code == 200, answer.text


def test_a_second_version_replaces_the_first_without_a_failed_request(server, loop):
    import threading
    stop, failures, done = threading.Event(), [], [0]

    def ask():
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {server.token}"
        while not stop.is_set():
            answer = session.post(server.url + "/v2/models/lateness/invocations", timeout=30,
                                  json={"rows": [{"carrier": "UA", "hour": 18, "evening": True}]})
            done[0] += 1
            if answer.status_code != 200:
                failures.append(answer.text)

    thread = threading.Thread(target=ask)
    thread.start()
    run = server.wait_run(server.submit(PIPELINE, {"trips.csv": trips(2000)}, {"rounds": 5}))
    stop.set()
    thread.join()
    assert run["status"] == "succeeded"
    assert not failures and done[0] > 10
    assert server.get("/api/v1/endpoints/lateness").json()["version"] == 2
    assert server.get("/api/v1/models/lateness/versions/1").json()["run"] == loop["id"]
