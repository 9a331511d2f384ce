# SPDX-License-Identifier: Apache-2.0
"""Steps of kind run and register without a server."""

import hashlib
import json

import pyarrow.parquet as pq
import pytest

from lake import Lake


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def test_a_command_gets_its_inputs_and_leaves_outputs(lake):
    lake.ingest("a.csv", "id,x\n1,2.5\n2,3.5\n", dataset="a")
    script = (
        "import csv, glob, json, os\n"
        "assert os.path.isdir(os.environ['TENON_INPUT_MY_ROWS'])\n"
        "assert glob.glob('inputs/my-rows/*.parquet')\n"
        "assert os.environ['TENON_PROJECT'] == 'default' and os.environ['COLOUR'] == 'blue'\n"
        "assert os.environ['DEPTH'] == '3'\n"
        "csv.writer(open('scores.csv', 'w')).writerows([['id', 'score'], [1, 0.5]])\n"
        "json.dump({'auc': 0.9, 'loss': [3, 2, 1.5]}, open('metrics.json', 'w'))\n"
        "print('hello from the command')\n")
    result = lake.step("run", {
        "command": ["python3", "s.py"], "env": {"COLOUR": "blue", "DEPTH": 3},
        "inputs": {"my-rows": "a"}, "outputs": {"scores": "scores.csv"},
        "artifacts": ["s.py"], "files": ["s.py"]}, {"s.py": script}, {"my-rows": ("a",)})
    assert "hello from the command" in lake.said
    assert result["metrics"] == {"auc": 0.9, "loss": [3, 2, 1.5]}
    assert result["inputs"] == [{"alias": "my-rows", "name": "a", "version": 0}]
    digest = result["artifacts"]["s.py"]["digest"]
    assert digest == hashlib.sha256(script.encode()).hexdigest()
    assert lake.publish() == 0
    assert lake.rows("scores") == [{"id": 1, "score": 0.5}]


def test_a_line_is_run_by_the_shell(lake):
    lake.ingest("a.csv", "id\n1\n", dataset="a")
    lake.step("run", {"command": "cp inputs/a/*.parquet copy.parquet && echo $TENON_STEP > who",
                      "inputs": ["a"], "artifacts": {"who": "who"}}, inputs={"a": ("a",)})
    assert pq.read_table(lake.folder / "work/copy.parquet").to_pylist() == [{"id": 1}]
    assert (lake.folder / "work/who").read_text().strip() == lake.folder.name


@pytest.mark.parametrize("command, status, says", [
    ("exit 3", 3, "exit status 3"),
    ("no-such-command-here", 127, "exit status 127"),
    ("kill -9 $$", 137, "signal 9"),
    (["no-such-command-here"], 3, "no-such-command-here"),
])
def test_exit_status_is_passed_on(lake, command, status, says):
    folder = lake.attempt("run", {"command": command})
    done = lake.call("step", folder)
    assert done.returncode == status
    error = json.loads((folder / "error.json").read_text())
    assert says in error["message"]
    assert done.stderr.splitlines()[-1].startswith(("error: ", "hint: "))


@pytest.mark.parametrize("with_, says", [
    ({"command": []}, "'command' must be"),
    ({"command": ["a", 3]}, "word 2"),
    ({"command": "true", "outputs": {"t": "none.csv"}}, "wrote no file 'none.csv'"),
    ({"command": "true", "artifacts": ["/etc/passwd"]}, "no path below"),
    ({"command": "true", "env": {"A": [1]}}, "env: 'A'"),
    ({"command": "echo nope > metrics.json"}, "metrics.json: "),
    ({"command": "echo '{\"a\": \"b\"}' > metrics.json"}, "'a' must be a number"),
    ({"command": "printf 'a\\n1\\n2\\nx\\n' > o.csv", "outputs": {"t": "o.csv"}}, "o.csv:4: column 'a'"),
    ({"comand": "true", "command": "true"}, "comand"),
])
def test_wrong_runs_say_why(lake, with_, says):
    folder = lake.attempt("run", with_)
    done = lake.call("step", folder)
    assert done.returncode != 0 and says in done.stderr
    assert not (folder / "result.json").exists()


SIGNATURE = {"inputs": [{"name": "x", "datatype": "FP64"}], "outputs": [], "task": "binary"}
TRAIN = {"artifacts": {"model": {"digest": "0" * 64, "size": 1, "file": "model.onnx"}},
         "signature": SIGNATURE, "metrics": {"loss": [0.5, 0.4], "auc": 0.99},
         "params": {"rounds": 3}, "inputs": [{"alias": "a", "name": "a", "version": 4}]}
EVALUATE = {"metrics": {"auc": 0.71}, "inputs": [{"alias": "a", "name": "a", "version": 5}]}
UPSTREAM = {"train": TRAIN, "evaluate": EVALUATE}


def test_register_gathers_what_the_steps_before_it_found(lake):
    result = lake.step("register", {"model": "train", "metrics": "evaluate", "as": "late",
                                    "require": {"auc": 0.7, "loss": "<= 0.4"}}, upstream=UPSTREAM)
    assert result["register"] == {
        "model": "late", "digest": "0" * 64, "signature": SIGNATURE,
        "metrics": {"auc": 0.71, "loss": 0.4}, "params": {"rounds": 3},
        "datasets": [{"name": "a", "version": 4, "role": "train"},
                     {"name": "a", "version": 5, "role": "evaluate"}]}


@pytest.mark.parametrize("with_, says, hint", [
    ({"require": {"auc": 0.8}}, "auc is 0.71, required is >= 0.8", "not registered"),
    ({"require": {"auc": "> 0.71"}}, "auc is 0.71, required is > 0.71", ""),
    ({"require": {"loss": "< 0.4"}}, "loss is 0.4, required is < 0.4", ""),
    ({"require": {"acu": 0.5}}, "no metric 'acu'", "'auc'"),
    ({"require": {"auc": "good"}}, "the bound of 'auc'", ""),
    ({"require": 3}, "'require'", ""),
    ({"model": "trian"}, "no step 'trian'", "'train'"),
    ({"model": "evaluate"}, "made no artifact 'model'", ""),
    ({"metrics": ["evaluate", "nope"]}, "no step 'nope'", ""),
    ({"as": "a/b"}, "no name for a model", ""),
])
def test_register_refuses(lake, with_, says, hint):
    error = lake.refused("register", {"model": "train", "metrics": "evaluate", "as": "late",
                                      **with_}, upstream=UPSTREAM)
    assert says in error["message"] and hint in error["hint"]


def test_deploy_without_a_server_says_so(lake):
    error = lake.refused("deploy", {"model": "late", "endpoint": "late"})
    assert "no server" in error["message"]


def test_unknown_kinds_and_files(lake):
    error = lake.refused("ingst", {})
    assert "no step kind 'ingst'" in error["message"] and "'ingest'" in error["hint"]
    folder = lake.attempt("ingest", {"path": "x.csv", "dataset": "t"})
    attempt = json.loads((folder / "attempt.json").read_text())
    for path in ("../x.csv", "/tmp/x.csv", "a/../../x.csv"):
        (folder / "attempt.json").write_text(json.dumps({**attempt, "files": {path: "0" * 64}}))
        done = lake.call("step", folder)
        assert done.returncode != 0 and "no path below" in done.stderr
