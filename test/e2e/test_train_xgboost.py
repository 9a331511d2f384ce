# SPDX-License-Identifier: Apache-2.0
"""What the train step makes, held against the Python xgboost package and ONNX Runtime themselves.

The steps run as processes, as the server would start them, on the flights of the example: train on
January to May, hold out June. Each test runs with the system's libxgboost and with the one inside
the Python package, which is a major version ahead on Debian 12.
"""
import json
import os
import subprocess
from pathlib import Path

import duckdb
import numpy as np
import onnxruntime
import pytest
import xgboost

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "examples/flights/data"
PARAMS = {"rounds": 150, "max_depth": 6, "eta": 0.1, "min_child_weight": 10, "seed": 2013}
TYPES = {"BIGINT": "long", "INTEGER": "integer", "SMALLINT": "short", "DOUBLE": "double",
         "FLOAT": "float", "VARCHAR": "string", "BOOLEAN": "boolean", "DATE": "date",
         "TIMESTAMP WITH TIME ZONE": "timestamp", "INTEGER[]": "array<integer>"}
WHEEL = Path(xgboost.__file__).parent / "lib/libxgboost.so"


class Steps:
    """Runs built-in steps in folders of their own, over datasets that are Parquet files."""

    def __init__(self, binary, folder, library=None):
        self.binary, self.folder, self.runs = binary, folder, 0
        self.env = dict(os.environ)
        if library:
            self.env["TENON_XGBOOST"] = str(library)

    def dataset(self, name, select, connection):
        """A dataset of one file, as data_snapshot describes it to a step."""
        place = self.folder / name
        place.mkdir()
        file = place / "part-0.parquet"
        connection.sql(select).write_parquet(str(file))
        rows = duckdb.sql(f"SELECT * FROM '{file}'")
        schema = [{"name": n, "type": TYPES.get(str(t), str(t).lower()), "nullable": True}
                  for n, t in zip(rows.columns, rows.types)]
        return {"name": name, "version": 0, "dir": str(place), "schema": schema,
                "files": [{"path": file.name, "size": file.stat().st_size,
                           "rows": len(rows)}]}

    def run(self, kind, snapshot, upstream=None, **keys):
        """(exit status, result.json or error.json, what it printed)"""
        self.runs += 1
        place = self.folder / f"{kind}-{self.runs}"
        place.mkdir()
        name = snapshot["name"]
        (place / "attempt.json").write_text(json.dumps({
            "project": "default", "run": "r", "step": kind, "attempt": 1,
            "attempt_id": f"r/{kind}/{self.runs}", "kind": kind, "data_dir": str(self.folder),
            "with": {"input": name, **keys}, "inputs": {name: snapshot},
            "upstream": upstream or {}}))
        done = subprocess.run([self.binary, "step", place], env=self.env, text=True,
                              capture_output=True, timeout=600)
        answer = place / ("error.json" if done.returncode else "result.json")
        return done.returncode, json.loads(answer.read_text()), done.stdout + done.stderr

    def ok(self, kind, snapshot, upstream=None, **keys):
        status, result, output = self.run(kind, snapshot, upstream, **keys)
        assert status == 0, output
        return result

    def artifact(self, result, name):
        """A file of the step, by its digest."""
        digest = result["artifacts"][name]["digest"]
        found = [p for p in (self.folder / "blobs").rglob("*")
                 if p.is_file() and str(p.relative_to(self.folder / "blobs")).replace("/", "")
                 .endswith(digest)]
        assert len(found) == 1, digest
        return found[0].read_bytes()


@pytest.fixture(scope="module", params=[None, WHEEL], ids=["system", "wheel"])
def steps(request, binary, tmp_path_factory):
    return Steps(binary, tmp_path_factory.mktemp("steps"), request.param)


@pytest.fixture(scope="module")
def flights(steps):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for table in ("flights", "weather", "planes"):
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM '{DATA / table}.parquet'")
    connection.execute("CREATE TABLE features AS " +
                       (ROOT / "examples/flights/features.sql").read_text())
    return steps.dataset("flight_features", "SELECT * FROM features", connection)


@pytest.fixture(scope="module")
def trained(steps, flights):
    return steps.ok("train", flights, where="month <= 5", target="late", exclude=["month", "day"],
                    validation=0, params=PARAMS)


def rows_of(snapshot, where, order="hash(rowid)", limit=10**9):
    """Columns as lists, in the file's order unless said otherwise."""
    file = f"{snapshot['dir']}/{snapshot['files'][0]['path']}"
    query = (f"SELECT * EXCLUDE rowid FROM (SELECT *, file_row_number AS rowid FROM "
             f"read_parquet('{file}', file_row_number = true)) "
             f"WHERE {where} ORDER BY {order} LIMIT {limit}")
    result = duckdb.sql(query)
    names = [n for n in result.columns if n != "file_row_number"]
    columns = dict(zip(result.columns, zip(*result.fetchall())))
    return {n: list(columns[n]) for n in names}


def encode(encoding, rows):
    """The matrix XGBoost saw, made from encoding.json alone."""
    columns = []
    for column in encoding["columns"]:
        values = rows[column["name"]]
        if column["kind"] == "category":
            codes = {text: code for code, text in enumerate(column["categories"])}
            values = [codes.get(v, np.nan) for v in values]
        columns.append(np.array([np.nan if v is None else float(v) for v in values], np.float32))
    return np.stack(columns, axis=1)


def onnx_inputs(signature, rows):
    inputs = {}
    for column in signature["inputs"]:
        values = rows[column["name"]]
        if column["datatype"] == "BYTES":
            array = np.array([v or "" for v in values], object)
        else:
            array = np.array([np.nan if v is None else float(v) for v in values], np.float32)
        inputs[column["name"]] = array.reshape(-1, 1)
    return inputs


def auc(score, truth):
    order = np.argsort(score, kind="stable")
    values, first, count = np.unique(score[order], return_index=True, return_counts=True)
    ranks = np.repeat(first + (count + 1) / 2, count)
    positives = truth[order].sum()
    return ((ranks[truth[order]].sum() - positives * (positives + 1) / 2) /
            (positives * (len(truth) - positives)))


def test_holdout_auc_is_that_of_the_python_package(steps, flights, trained):
    evaluated = steps.ok("evaluate", flights, {"train": trained}, where="month = 6", model="train")
    encoding = json.loads(steps.artifact(trained, "encoding"))
    learn, hold = rows_of(flights, "month <= 5", "rowid"), rows_of(flights, "month = 6", "rowid")
    matrix = xgboost.DMatrix(encode(encoding, learn), np.array(learn["late"], np.float32))
    booster = xgboost.train(
        {"objective": "binary:logistic", "tree_method": "hist", "max_depth": PARAMS["max_depth"],
         "eta": PARAMS["eta"], "min_child_weight": PARAMS["min_child_weight"]},
        matrix, num_boost_round=PARAMS["rounds"])
    theirs = booster.predict(xgboost.DMatrix(encode(encoding, hold)))
    truth = np.array(hold["late"], bool)
    assert evaluated["metrics"]["rows"] == len(truth)
    assert evaluated["metrics"]["auc"] == pytest.approx(auc(theirs, truth), abs=0.005)
    assert evaluated["metrics"]["auc"] > 0.65


def test_evaluation_is_what_the_file_and_the_formulas_give(steps, flights, trained):
    metrics = steps.ok("evaluate", flights, {"train": trained}, where="month = 6",
                       model="train")["metrics"]
    hold = rows_of(flights, "month = 6", "rowid")
    session = onnxruntime.InferenceSession(steps.artifact(trained, "model"))
    label, probability = session.run(["label", "probability"],
                                     onnx_inputs(trained["signature"], hold))
    p, truth = probability[:, 1].astype(float), np.array(hold["late"], bool)
    assert [v == "true" for v in label.tolist()] == (p > 0.5).tolist()
    hit = (p > 0.5) & truth
    expected = {
        "auc": auc(p, truth), "base_rate": truth.mean(), "brier": ((p - truth) ** 2).mean(),
        "logloss": -np.log(np.where(truth, p, 1 - p)).mean(),
        "accuracy": ((p > 0.5) == truth).mean(), "precision": hit.sum() / (p > 0.5).sum(),
        "recall": hit.sum() / truth.sum(), "f1": 2 * hit.sum() / ((p > 0.5).sum() + truth.sum())}
    # ONNX Runtime adds leaves in an order that depends on its threads: a row whose probability is one
    # half to the seventh digit may fall on either side, and one in 5,000 is 2e-4 of the precision.
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=3e-4), name


def test_the_file_answers_as_xgboost_does(steps, flights, trained):
    """10,000 held-out rows with holes in them and categories nobody has seen."""
    rows = rows_of(flights, "month >= 6", "hash(rowid)", 10_000)
    random = np.random.default_rng(7)
    unseen = missing = 0
    for column in trained["signature"]["inputs"]:
        values = rows[column["name"]]
        for i in np.flatnonzero(random.random(len(values)) < 0.1):
            values[i] = None
            missing += 1
        if column["datatype"] == "BYTES":
            for i in np.flatnonzero(random.random(len(values)) < 0.1):
                values[i] = f"never seen {i} é"
                unseen += 1
    assert len(rows["late"]) == 10_000 and unseen > 3000 and missing > 10_000
    booster = xgboost.Booster()
    booster.load_model(bytearray(steps.artifact(trained, "booster")))
    booster.feature_names = None
    encoding = json.loads(steps.artifact(trained, "encoding"))
    theirs = booster.predict(xgboost.DMatrix(encode(encoding, rows)))
    session = onnxruntime.InferenceSession(steps.artifact(trained, "model"))
    ours = session.run(["probability"], onnx_inputs(trained["signature"], rows))[0]
    assert ours.shape == (10_000, 2)
    assert np.abs(ours[:, 1] - theirs).max() < 1e-5
    assert np.abs(ours.sum(axis=1) - 1).max() < 1e-6
    assert np.ptp(theirs) > 0.3


def test_signature_describes_the_file(steps, trained):
    signature = trained["signature"]
    session = onnxruntime.InferenceSession(steps.artifact(trained, "model"))
    kinds = {"tensor(float)": "FP32", "tensor(string)": "BYTES"}
    assert [(i["name"], i["datatype"]) for i in signature["inputs"]] == \
        [(i.name, kinds[i.type]) for i in session.get_inputs()]
    assert [o["name"] for o in signature["outputs"]] == [o.name for o in session.get_outputs()]
    assert signature["classes"] == ["false", "true"] and signature["target"] == "late"
    by_name = {i["name"]: i for i in signature["inputs"]}
    assert by_name["origin"]["values"] == ["EWR", "JFK", "LGA"]
    assert by_name["wind_gust"]["optional"] and not by_name["distance"]["optional"]
    assert "late" not in by_name and "month" not in by_name
    example = {i["name"]: [i["example"]] for i in signature["inputs"]}
    probability = session.run(["probability"], onnx_inputs(signature, example))[0]
    assert 0 < probability[0, 1] < 1


def test_same_rows_and_seed_give_the_same_file(steps, flights):
    keys = dict(where="month = 1", target="late", features=["carrier", "dep_minute", "dest"],
                params={"rounds": 10, "subsample": 0.7, "seed": 3})
    first, again = (steps.ok("train", flights, **keys)["artifacts"] for _ in range(2))
    assert first == again


def test_early_stopping_keeps_the_best_round(steps, flights):
    result = steps.ok("train", flights, where="month = 1", target="late", validation=0.2,
                      features=["carrier", "dep_minute", "dest", "temp", "plane_model"],
                      params={"rounds": 400, "eta": 0.5, "early_stopping_rounds": 5})
    history = result["metrics"]["validation_logloss"]
    best = int(np.argmin(history))
    assert result["metrics"]["best_round"] == best + 1 and len(history) == best + 1 + 5
    booster = xgboost.Booster()
    booster.load_model(bytearray(steps.artifact(result, "booster")))
    assert booster.num_boosted_rounds() == best + 1


@pytest.fixture(scope="module")
def small(steps):
    return steps.dataset("small", """
        SELECT i AS id, i % 5 AS size, CASE i % 3 WHEN 0 THEN 'red' WHEN 1 THEN 'green' END AS
            colour, i % 3 = 1 AS green, ['ant', 'bee', 'cat'][i % 3 + 1] AS animal,
            CASE WHEN i > 0 THEN i % 2 = 0 END AS hole, 'always' AS constant,
            i / 2.0 + i % 5 AS weight, [i] AS list, DATE '2013-01-01' + i::INTEGER AS day,
            'id' || i AS name, CASE WHEN i = 7 THEN 1e300 ELSE i END AS huge
        FROM range(11000) t(i)""", duckdb.connect())


def test_multiclass(steps, small):
    trained = steps.ok("train", small, target="animal", features=["colour", "size"],
                       params={"rounds": 20})
    assert trained["signature"]["task"] == "multiclass"
    assert trained["signature"]["classes"] == ["ant", "bee", "cat"]
    metrics = steps.ok("evaluate", small, {"t": trained}, model="t")["metrics"]
    assert metrics["accuracy"] == 1 and metrics["macro_f1"] == 1 and metrics["rows"] == 11000
    session = onnxruntime.InferenceSession(steps.artifact(trained, "model"))
    inputs = {"colour": np.array([["red"], ["green"], [""]], object),
              "size": np.zeros((3, 1), np.float32)}
    label, probability = session.run(["label", "probability"], inputs)
    assert label.tolist() == ["ant", "bee", "cat"]
    assert probability.argmax(axis=1).tolist() == [0, 1, 2] and probability.shape == (3, 3)


def test_regression(steps, small):
    trained = steps.ok("train", small, target="weight", features=["id", "size"],
                       params={"rounds": 100, "eta": 0.3})
    assert trained["signature"]["task"] == "regression"
    metrics = steps.ok("evaluate", small, {"t": trained}, model="t")["metrics"]
    assert metrics["r2"] > 0.999 and metrics["mae"] <= metrics["rmse"] < 60


@pytest.mark.parametrize("keys, message, hint", [
    (dict(target="gren"), "no column 'gren'", "did you mean 'green'?"),
    (dict(features=["colur"]), "no column 'colur'", "did you mean 'colour'?"),
    (dict(features=[], exclude=["sizee"]), "no column 'sizee'", "did you mean 'size'?"),
    (dict(target="constant", objective="binary"), "only one class, 'always'", "where"),
    (dict(target="hole"), "'hole' is missing in 1 of 11000 rows", "hole is not null"),
    (dict(features=["list"]), "column 'list' is of type", "exclude: [list]"),
    (dict(features=["day"]), "column 'day' is a date", "derive numbers"),
    (dict(features=[]), "column 'list'", "exclude: [list]"),
    (dict(where="size > 9"), "no row of dataset 'small' satisfies where: size > 9", ""),
    (dict(where="siz > 1"), "where: 1:1: ", ""),
    (dict(features=["name"]), "column 'name' has more than 10000 categories", "exclude: [name]"),
    (dict(features=["huge"]), "column 'huge', row 8: 1e+300 does not fit", "null in SQL"),
    (dict(target="animal", objective="binary"), "has 3 classes, not two", "multiclass"),
    (dict(target="animal", objective="regression"), "'animal' is text", "binary or multiclass"),
    (dict(objective="binry"), "objective 'binry'", "did you mean 'binary'?"),
    (dict(params={"max_dept": 3}), "max_dept", "did you mean 'max_depth'?"),
    (dict(params={"eta": 7}), "params.eta must be between", ""),
    (dict(params={"rounds": 2.5}), "params.rounds must be a whole number", ""),
    (dict(validation=0.9), "validation must be between 0 and 0.5", ""),
    (dict(features=["green"]), "features: 'green' is the target", ""),
    (dict(where="id < 5"), "5 rows are too few", ""),
])
def test_what_it_refuses(steps, small, keys, message, hint):
    status, error, output = steps.run("train", small, **{"target": "green",
                                                         "features": ["size"], **keys})
    assert status != 0
    assert message in error["message"], error
    assert hint in error["hint"], error
    assert f"error: {error['message']}" in output


def test_evaluate_refuses(steps, small, tmp_path):
    trained = steps.ok("train", small, target="animal", features=["colour", "size"],
                       where="animal <> 'cat'", params={"rounds": 2})
    status, error, _ = steps.run("evaluate", small, {"t": trained}, model="t")
    assert status != 0 and "has the class 'cat', which the model has never seen" in error["message"]
    other = {**small, "name": "other", "schema": [c for c in small["schema"]
                                                  if c["name"] != "colour"]}
    status, error, _ = steps.run("evaluate", other, {"t": trained}, model="t")
    assert status != 0 and "dataset 'other' has no column 'colour'" in error["message"]
    status, error, _ = steps.run("evaluate", small, {"t": {"artifacts": {}}}, model="t")
    assert status != 0 and "step 't' made no model" in error["message"]
