# SPDX-License-Identifier: Apache-2.0
"""The command line as a person meets it: messages, exit codes, places in files."""
import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

PIPELINE = """kind: pipeline
name: p
steps:
  - name: a
    kind: run
    command: ["true"]
"""


def fails(server, status, *arguments, **options):
    done = server.cli(*arguments, check=False, **options)
    assert done.returncode == status, (done.stdout, done.stderr)
    assert done.stderr.startswith("error: ") or "\nerror: " in done.stderr
    return done.stderr


def test_help_and_version_need_no_server(binary, tmp_path):
    env = {**os.environ, "TENON_DATA": str(tmp_path / "none")}
    for arguments in (["help"], [], ["--help"], ["help", "run"], ["help", "model"], ["run", "--help"],
                      ["version"], ["--version"], ["completion", "bash"], ["completion", "zsh"],
                      ["completion", "fish"]):
        done = subprocess.run([binary, *arguments], capture_output=True, text=True, env=env)
        assert done.returncode == 0 and done.stdout and not done.stderr, arguments
    told = subprocess.run([binary, "help", "pipeline"], capture_output=True, text=True, env=env).stdout
    assert all(f"{kind}" in told for kind in (
        "ingest", "sql", "train", "evaluate", "register", "deploy", "run", "retries", "on_error"))
    bash = subprocess.run([binary, "completion", "bash"], capture_output=True, text=True).stdout
    assert subprocess.run(["bash", "-n"], input=bash, text=True).returncode == 0


@pytest.mark.parametrize("arguments,says,hint", [
    (["modle", "list"], "no command 'modle'", ""),
    (["statsu"], "no command 'statsu'", "did you mean 'tenon status'?"),
    (["model", "lst"], "no command 'model lst'", "tenon help model"),
    (["run"], "'tenon run' needs FILE", "tenon help run"),
    (["run", "x.yaml", "--parm", "a=1"], "no option --parm", "did you mean --param?"),
    (["status", "-o", "xml"], "no output format 'xml'", "json"),
    (["run", "no-such-file.yaml"], "no-such-file.yaml: No such file", ""),
    (["logs", "latest", "..%2f"], "no run 'latest'", ""),
])
def test_wrong_usage_is_explained(server, arguments, says, hint):
    done = server.cli(*arguments, check=False)
    assert done.returncode in (2, 3), done.stderr
    assert says in done.stderr and hint in done.stderr


def test_a_file_name_that_is_not_text(server, binary, tmp_path):
    path = os.fsencode(tmp_path) + b"/p\xff.yaml"
    with open(path, "w") as f:
        f.write(PIPELINE)
    done = subprocess.run([os.fsencode(binary), b"run", path], capture_output=True,
                          env={**os.environ, "TENON_URL": server.url, "TENON_TOKEN": server.token})
    assert done.returncode == 2 and b"is not valid UTF-8" in done.stderr


def test_no_server_says_how_to_start_one(binary, tmp_path):
    done = subprocess.run([binary, "status", "--data", tmp_path / "x"], capture_output=True, text=True)
    assert done.returncode == 5
    assert "no server runs on the data directory" in done.stderr and "tenon up" in done.stderr
    done = subprocess.run([binary, "status", "--url", "http://127.0.0.1:1"], capture_output=True,
                          text=True, env={**os.environ, "TENON_TOKEN": "x"})
    assert done.returncode == 5 and "127.0.0.1:1" in done.stderr


def test_a_wrong_token_says_so(server):
    assert "token" in fails(server, 4, "status", env={"TENON_TOKEN": "tn_wrong"})


YAML_ERRORS = {
    "kind: pipeline\nname: p\nsteps: [\n": "pipeline.yaml:",
    "\tkind: pipeline\n": "pipeline.yaml:1:",
    "kind: pipline\nname: p\nsteps: []\n": "pipeline.yaml:1:7: ",
    PIPELINE + "stesp: 1\n": "pipeline.yaml:7:1: unknown key 'stesp'",
    PIPELINE.replace("kind: run", "kind: rnu"): "pipeline.yaml:5:11: ",
    PIPELINE + "    aftre: [b]\n": "did you mean 'after'?",
    PIPELINE + "    after: [b]\n": "pipeline.yaml:7:13: ",
    PIPELINE + "  - name: a\n    kind: run\n    command: [x]\n": "pipeline.yaml:7:11: ",
    PIPELINE + "    after: [b]\n  - name: b\n    kind: run\n    command: [x]\n    after: [a]\n": "a → b → a",
    PIPELINE + "  - {name: q, kind: sql, sql: 'select 1', inputs: [nothing], dataset: d}\n": "nothing",
    PIPELINE.replace("name: p\n", "name: '../p'\n", 1): "pipeline.yaml:2:",
    PIPELINE + "  - {name: i, kind: ingest, path: ../../etc/passwd, dataset: d}\n": "pipeline.yaml:7:",
    PIPELINE.replace('"true"', "${params.x}"): "params.x",
}


@pytest.mark.parametrize("yaml", YAML_ERRORS, ids=range(len(YAML_ERRORS)))
def test_yaml_mistakes_have_a_place(server, tmp_path, yaml):
    (tmp_path / "pipeline.yaml").write_text(yaml)
    before = len(server.get("/api/v1/runs?limit=1000").json()["runs"])
    says = fails(server, 2, "run", "pipeline.yaml", cwd=tmp_path)
    assert YAML_ERRORS[yaml] in says, says
    assert len(server.get("/api/v1/runs?limit=1000").json()["runs"]) == before


def test_an_unknown_param_is_refused(server, tmp_path):
    (tmp_path / "p.yaml").write_text(PIPELINE.replace("steps:", "params: {rounds: 3}\nsteps:"))
    says = fails(server, 2, "run", "p.yaml", "--param", "ronds=3", cwd=tmp_path)
    assert "did you mean 'rounds'?" in says


def test_a_failed_step_shows_its_tail_and_exits_1(server, tmp_path):
    (tmp_path / "p.yaml").write_text(PIPELINE.replace('["true"]', '["sh", "-c", "echo clue; exit 3"]'))
    done = server.cli("run", "p.yaml", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "clue" in done.stderr and "step 'a' failed" in done.stderr and "3" in done.stderr
    assert "clue" in server.cli("logs", "latest", "a").stdout
    assert "clue" in server.cli("logs", "latest", "a", "--follow").stdout
    absent = server.cli("logs", "latest", "a", "--attempt", 7, check=False)
    assert absent.returncode == 3 and absent.stdout == ""
    assert "the step 'a' has no attempt 7" in absent.stderr
    says = fails(server, 3, "logs", "latest", "b")
    assert "no step 'b'" in says


def test_json_output_is_the_answer(server, tmp_path):
    (tmp_path / "p.yaml").write_text(PIPELINE)
    run = json.loads(server.cli("run", "p.yaml", "-o", "json", cwd=tmp_path).stdout)
    assert run["status"] == "succeeded" and run["steps"][0]["name"] == "a"
    assert json.loads(server.cli("runs", "show", run["id"][:20], "-o", "json").stdout)["id"] == run["id"]
    assert json.loads(server.cli("status", "-o", "json").stdout)["counts"]["runs"] >= 1
    for command in (["data", "list"], ["model", "list"], ["endpoint", "list"], ["token", "list"]):
        json.loads(server.cli(*command, "-o", "json").stdout)


def test_up_refuses_a_busy_port(server, binary, tmp_path):
    done = subprocess.run([binary, "up", "--data", tmp_path / "d", "--listen", f"127.0.0.1:{server.port}"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 6 and str(server.port) in done.stderr


def test_up_refuses_a_data_directory_in_use(server, binary):
    done = subprocess.run([binary, "up", "--data", server.data, "--listen", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 6 and "is in use" in done.stderr


def test_up_refuses_addresses_beyond_loopback(binary, tmp_path):
    for address in ("0.0.0.0:0", "10.0.0.1:0", "[::]:0", "example.com:0"):
        done = subprocess.run([binary, "up", "--data", tmp_path / "d", "--listen", address],
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 4 and "refusing to listen" in done.stderr, done.stderr
    assert not (tmp_path / "d").exists()


def test_up_refuses_data_of_a_newer_version(fresh, binary):
    server = fresh()
    server.stop()
    db = sqlite3.connect(server.data / "tenon.db")
    tables = [r[0] for r in db.execute("select name from sqlite_master where type='table'")]
    table = next(t for t in tables if "schema" in t or "migration" in t)
    column = db.execute(f"select name from pragma_table_info('{table}') where name like '%version%'")
    name = column.fetchone()[0]
    highest = db.execute(f"select max({name}) from {table}").fetchone()[0]
    db.execute(f"update {table} set {name} = 9999 where {name} = {highest}")
    db.commit()
    db.close()
    done = subprocess.run([binary, "up", "--data", server.data, "--listen", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 6, done.stderr
    assert "9999" in done.stderr and "newer" in done.stderr


def test_sigterm_drains_and_leaves_no_address_behind(fresh):
    server = fresh()
    assert (server.data / "server.json").exists()
    assert server.stop() == 0
    assert not (server.data / "server.json").exists()


def test_doctor(server):
    done = server.cli("doctor", "--data", server.data, check=False)
    assert "ONNX Runtime" in done.stdout and "DuckDB" in done.stdout and "XGBoost" in done.stdout
    assert done.returncode == 0, done.stdout
