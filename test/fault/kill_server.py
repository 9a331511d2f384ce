#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the whole server at random moments, many times; then everything must add up.

    test/fault/kill_server.py [CYCLES] [--binary build/tenon] [--seed N] [--keep]

While pipelines are submitted and run, the server is killed and started again on the same data. Each
step of kind `run` appends one line to a ledger outside of the server's reach, so an execution can be
neither hidden nor repeated unseen; each run ingests rows into shared datasets. At the end:

- every submission that was answered is there, and every run has ended well;
- every step of kind `run` was executed exactly once;
- every dataset has exactly the rows of the runs that ended, in its log on disk as in the store;
- no process and no slot is left over.
"""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATASETS = 3
UNFINISHED_MAX = 6

PIPELINE = """\
kind: pipeline
name: kill
steps:
  - name: first
    kind: run
    command: "printf '{nonce} first\\\\n' >> {ledger}; sleep 0.0{nap}"
  - {{name: load, kind: ingest, path: rows.csv, dataset: {dataset}, mode: append}}
  - name: second
    kind: run
    after: first
    command: "printf '{nonce} second\\\\n' >> {ledger}"
  - name: last
    kind: run
    after: [second, load]
    command: "sleep 0.0{nap}; printf '{nonce} last\\\\n' >> {ledger}"
"""
RUN_STEPS = ("first", "second", "last")


class Server:
    def __init__(self, binary, data, log):
        self.binary, self.data, self.log = binary, Path(data), log
        self.process, self.url, self.token = None, None, None

    def launch(self):
        (self.data / "server.json").unlink(missing_ok=True)
        self.url = None
        self.process = subprocess.Popen(
            [self.binary, "up", "--data", self.data, "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def wait_ready(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended by itself: {self.process.returncode}")
            try:
                about = json.loads((self.data / "server.json").read_text())
                if about["pid"] == self.process.pid:
                    self.token = (self.data / "owner.token").read_text().strip()
                    self.url = about["url"]
                    self.call("GET", "/healthz")
                    return
            except (OSError, ValueError, urllib.error.URLError):
                pass
            time.sleep(0.005)
        raise SystemExit(f"the server was not ready after {seconds} s")

    def kill(self):
        self.url = None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def call(self, method, path, body=None):
        if not self.url:
            raise urllib.error.URLError("no server")
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=body, method=method, headers={
            "Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


class Load(threading.Thread):
    """Submits runs as long as few are unfinished; remembers what was acknowledged."""

    def __init__(self, server, ledger, seed):
        super().__init__(daemon=True)
        self.server, self.ledger = server, ledger
        self.random = random.Random(seed)
        self.acknowledged = {}  # run id → nonce
        self.rows = {}          # nonce → (dataset, rows)
        self.refused = []
        self.stopping = False

    def submit_one(self):
        nonce = f"n{len(self.rows)}"
        rows = self.random.randint(1, 20)
        dataset = f"rows{self.random.randrange(DATASETS)}"
        self.rows[nonce] = (dataset, rows)
        csv = "nonce,i\n" + "".join(f"{nonce},{i}\n" for i in range(rows))
        digest = self.server.call("POST", "/api/v1/blobs", csv.encode())["digest"]
        yaml = PIPELINE.format(nonce=nonce, ledger=self.ledger, dataset=dataset,
                               nap=self.random.randint(0, 9))
        answer = self.server.call("POST", "/api/v1/runs", {
            "file": "kill.yaml", "yaml": yaml, "params": {}, "files": {"rows.csv": digest}})
        self.acknowledged[answer["id"]] = nonce

    def run(self):
        while not self.stopping:
            try:
                runs = self.server.call("GET", "/api/v1/runs?limit=50")["runs"]
                if sum(r["status"] == "running" for r in runs) < UNFINISHED_MAX:
                    self.submit_one()
                else:
                    time.sleep(0.02)
            except urllib.error.HTTPError as e:
                self.refused.append(f"{e.code} {e.read().decode(errors='replace')}")
            except (OSError, ValueError, urllib.error.URLError):
                time.sleep(0.005)  # killed under us: not acknowledged


def all_runs(server):
    """Every run the store has; the list of the API ends at 1000."""
    with sqlite3.connect(f"file:{server.data}/tenon.db?mode=ro", uri=True) as db:
        return [row[0] for row in db.execute("SELECT id FROM runs ORDER BY id")]


def wait_for_all(server, seconds=300):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        left = [r for r in server.call("GET", "/api/v1/runs?limit=1000")["runs"]
                if r["status"] == "running"]
        if not left:
            return []
        time.sleep(0.1)
    return [f"run {r['id']} never ended" for r in left]


def check_runs(server, load, runs):
    wrong = [f"run {r} was acknowledged and is not there"
             for r in load.acknowledged if r not in set(runs)]
    for run in runs:
        got = server.call("GET", f"/api/v1/runs/{run}")
        if got["status"] != "succeeded":
            steps = [(s["name"], s["status"], s["error"]) for s in got["steps"]]
            wrong.append(f"run {run} is {got['status']}: {steps}")
    return wrong


def nonce_of(yaml):
    return yaml.split("printf '", 1)[1].split(" ", 1)[0]


def check_ledger(ledger, nonces):
    executed = collections.Counter(ledger.read_text().split("\n")[:-1])
    wrong = [f"'{line}' ran {n} times" for line, n in executed.items() if n > 1]
    wrong += [f"'{nonce} {step}' never ran" for nonce in nonces for step in RUN_STEPS
              if f"{nonce} {step}" not in executed]
    return wrong


def check_datasets(server, load, nonces):
    """Rows in the store, rows in the log, and one commit for each attempt."""
    wrong = []
    for i in range(DATASETS):
        name = f"rows{i}"
        expected = sum(n for d, n in (load.rows[x] for x in nonces) if d == name)
        if not any(load.rows[x][0] == name for x in nonces):
            continue
        told = server.call("GET", f"/api/v1/datasets/{name}")
        if told["rows"] != expected:
            wrong.append(f"{name} has {told['rows']} rows, not {expected}")
        log = server.data / "lake" / "default" / name / "_delta_log"
        commits = sorted(p for p in log.iterdir() if p.name.endswith(".json") and len(p.stem) == 20)
        if [int(p.stem) for p in commits] != list(range(len(commits))):
            wrong.append(f"{name}: the log has gaps")
        rows, attempts = 0, collections.Counter()
        for commit in commits:
            for line in commit.read_text().splitlines():
                action = json.loads(line)
                if "txn" in action:
                    attempts[action["txn"]["appId"]] += 1
                if "add" in action:
                    rows += json.loads(action["add"]["stats"])["numRecords"]
        if rows != expected:
            wrong.append(f"{name}: the log has {rows} rows, not {expected}")
        wrong += [f"{name}: {a} was published {n} times" for a, n in attempts.items() if n > 1]
        versions = server.call("GET", f"/api/v1/datasets/{name}/versions")["versions"]
        if len(versions) != len(attempts):
            wrong.append(f"{name}: {len(versions)} versions in the store, {len(attempts)} commits")
    return wrong


def check_leftovers(server):
    with sqlite3.connect(f"file:{server.data}/tenon.db?mode=ro", uri=True) as db:
        n = db.execute("SELECT count(*) FROM attempts WHERE status = 'running'").fetchone()[0]
    wrong = [f"{n} attempts still hold a slot"] if n else []
    mark = f"TENON_ATTEMPT_DIR={server.data}".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                wrong.append(f"process {entry.name} is left over")
        except OSError:
            pass
    return wrong


def torment(server, dice, cycles):
    early = 0
    for cycle in range(cycles):
        server.launch()
        if dice.random() < 0.15:  # while it starts and adopts
            time.sleep(dice.random() * 0.1)
            early += 1
        else:
            server.wait_ready()
            time.sleep(dice.random() * dice.choice((0.05, 0.3, 0.6)))
        server.kill()
        if (cycle + 1) % 50 == 0:
            print(f"  {cycle + 1} of {cycles} kills", flush=True)
    return early


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cycles", nargs="?", type=int, default=300)
    parser.add_argument("--binary", default=os.environ.get("TENON_BINARY", ROOT / "build/tenon"))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keep", action="store_true", help="leave the data directory")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tenon-kill-"))
    ledger = folder / "ledger"
    ledger.touch()
    begun = time.monotonic()
    print(f"kill_server: {options.cycles} kills, seed {options.seed}, {folder}", flush=True)
    with open(folder / "server.log", "ab") as log:
        server = Server(options.binary, folder / "data", log)
        load = Load(server, ledger, options.seed)
        load.start()
        early = torment(server, random.Random(options.seed), options.cycles)
        load.stopping = True
        load.join()
        server.launch()
        server.wait_ready()
        wrong = wait_for_all(server) + load.refused
        runs = all_runs(server)
        wrong += check_runs(server, load, runs)
        nonces = [nonce_of(server.call("GET", f"/api/v1/runs/{r}")["yaml"]) for r in runs]
        wrong += check_ledger(ledger, nonces)
        wrong += check_datasets(server, load, nonces)
        wrong += check_leftovers(server)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)
    print(f"{options.cycles} kills ({early} during start), {len(runs)} runs "
          f"({len(load.acknowledged)} acknowledged), {len(runs) * 4} steps, "
          f"{time.monotonic() - begun:.0f} s: {len(wrong)} wrong", flush=True)
    for line in wrong[:50]:
        print(f"  {line}")
    if wrong or options.keep:
        print(f"left for looking at: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
