# SPDX-License-Identifier: Apache-2.0
"""Tables written by steps, read by delta-rs (the `deltalake` package)."""

import datetime
import json
import os
import signal
import subprocess
import time

import pyarrow as pa
import pytest

from lake import DUCKDB, Lake


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def test_csv_becomes_a_delta_table(lake):
    version = lake.ingest("a.csv", "id,name,when,day,ok,x\n"
                                   "1,Ann,2013-01-01 05:00:00,2013-01-01,true,1.5\n"
                                   "2,,2013-06-01T12:30:00+02:00,2013-01-02,false,\n")
    assert version == 0
    assert lake.types("t") == {"id": "long", "name": "string", "when": "timestamp", "day": "date",
                               "ok": "boolean", "x": "double"}
    utc = datetime.timezone.utc
    assert lake.rows("t") == [
        {"id": 1, "name": "Ann", "when": datetime.datetime(2013, 1, 1, 5, tzinfo=utc),
         "day": datetime.date(2013, 1, 1), "ok": True, "x": 1.5},
        {"id": 2, "name": None, "when": datetime.datetime(2013, 6, 1, 10, 30, tzinfo=utc),
         "day": datetime.date(2013, 1, 2), "ok": False, "x": None}]


def test_append_and_overwrite_keep_every_version_readable(lake):
    assert lake.ingest("a.csv", "id\n1\n") == 0
    assert lake.ingest("b.csv", "id\n2\n3\n", mode="append") == 1
    assert lake.ingest("c.csv", "word\nx\n") == 2
    assert [r["id"] for r in lake.rows("t", 0)] == [1]
    assert sorted(r["id"] for r in lake.rows("t", 1)) == [1, 2, 3]
    assert lake.rows("t") == [{"word": "x"}]
    assert [len(lake.snapshot("t", v)["files"]) for v in (0, 1, 2)] == [1, 2, 1]
    history = lake.table("t").history()
    assert [h["operationParameters"]["mode"] for h in history] == \
        ["Overwrite", "Append", "Overwrite"]


def test_protocol_is_the_oldest_that_every_reader_knows(lake):
    lake.ingest("a.csv", "when\n2013-01-01 05:00:00\n")
    protocol = lake.table("t").protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)


def test_statistics_are_true(lake):
    lake.ingest("a.csv", "n,x,s,d\n3,0.5,b,2013-01-02\n1,,a,2013-01-01\n2,nan,c,\n")
    [add] = pa.table(lake.table("t").get_add_actions(flatten=True)).to_pylist()
    assert add["num_records"] == 3
    assert (add["min.n"], add["max.n"], add["null_count.n"]) == (1, 3, 0)
    assert (add["min.s"], add["max.s"]) == ("a", "c")
    assert (add["min.d"], add["max.d"], add["null_count.d"]) == \
        (datetime.date(2013, 1, 1), datetime.date(2013, 1, 2), 1)
    assert add["null_count.x"] == 1
    assert add.get("max.x") is None  # NaN is in there: no bound may be told


def test_publishing_twice_commits_once(lake):
    lake.ingest("a.csv", "id\n1\n")
    folder = lake.folder
    lake.ingest("b.csv", "id\n2\n", mode="append")
    assert lake.publish(folder) == 0  # the server died before it recorded version 0
    assert lake.publish() == 1
    assert len(lake.rows("t")) == 2


def test_kill_while_ingesting_leaves_no_trace(lake):
    """kill -9 at many points: the table is the old one or, after publishing, the new one."""
    lake.ingest("a.csv", "i\n0\n")
    text = "i\n" + "".join(f"{i}\n" for i in range(200000))
    for n in range(12):
        folder = lake.attempt("ingest", {"path": "b.csv", "dataset": "t"}, {"b.csv": text})
        process = subprocess.Popen([lake.driver, "step", folder], stdout=subprocess.DEVNULL,
                                   env={"TENON_DUCKDB": str(DUCKDB), **os.environ})
        time.sleep(0.04 * n)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = lake.table("t").version()
        if (folder / "result.json").exists():
            assert lake.publish(folder) == before + 1
            assert lake.publish(folder) == before + 1
            assert len(lake.rows("t")) == 200000
        else:
            assert len(lake.rows("t")) in (1, 200000)
            lake.step("ingest", {"path": "b.csv", "dataset": "t"}, {"b.csv": text})
            assert lake.publish() == before + 1
            assert len(lake.rows("t")) == 200000


def test_writers_at_once_lose_nothing(lake):
    lake.ingest("a.csv", "i\n0\n")
    folders = []
    for i in range(1, 9):
        lake.step("ingest", {"path": "b.csv", "dataset": "t", "mode": "append"},
                  {"b.csv": f"i\n{i}\n"})
        folders.append(lake.folder)
    publishers = [subprocess.Popen([lake.driver, "publish", f], stdout=subprocess.PIPE, text=True)
                  for f in folders for _ in range(2)]
    versions = [p.communicate()[0] for p in publishers]
    assert sorted(int(v) for v in versions[::2]) == list(range(1, 9))
    assert versions[::2] == versions[1::2]
    assert sorted(r["i"] for r in lake.rows("t")) == list(range(9))


def test_unknown_reader_features_are_refused(lake):
    lake.ingest("a.csv", "i\n0\n")
    log = lake.data / "lake/default/t/_delta_log"
    (log / f"{1:020}.json").write_text(json.dumps({"protocol": {
        "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
        "writerFeatures": ["deletionVectors"]}}) + "\n")
    done = lake.call("snapshot", lake.data, "default", "t")
    assert done.returncode != 0 and "reader feature 'deletionVectors'" in done.stderr
    assert lake.snapshot("t", 0)["version"] == 0


@pytest.mark.parametrize("commit, says", [
    ("{not json}\n", "commit 1, line 1"),
    ('{"add":{"path":"../../secret.parquet","size":1}}\n', "outside the table's folder"),
    ('{"add":{"path":"%2e%2e/x.parquet","size":1}}\n', "outside the table's folder"),
    ('{"add":{"path":"/etc/passwd","size":1}}\n', "outside the table's folder"),
    ('{"add":{"path":"s3://b/x.parquet","size":1}}\n', "outside the table's folder"),
])
def test_damaged_logs_are_told(lake, commit, says):
    lake.ingest("a.csv", "i\n0\n")
    (lake.data / "lake/default/t/_delta_log" / f"{1:020}.json").write_text(commit)
    done = lake.call("snapshot", lake.data, "default", "t")
    assert done.returncode != 0 and says in done.stderr


def test_missing_commits_are_told(lake):
    for i in range(3):
        lake.ingest("a.csv", f"i\n{i}\n", mode="append")
    (lake.data / "lake/default/t/_delta_log" / f"{1:020}.json").unlink()
    done = lake.call("snapshot", lake.data, "default", "t")
    assert done.returncode != 0 and "commit 1 is missing" in done.stderr
    done = lake.call("snapshot", lake.data, "default", "t", 9)
    assert "no version 9; the latest is 2" in done.stderr


def test_other_writers_are_seen(lake):
    """A commit by delta-rs between two of ours."""
    from deltalake import write_deltalake
    lake.ingest("a.csv", "id\n1\n")
    write_deltalake(str(lake.data / "lake/default/t"), pa.table({"id": pa.array([7], pa.int64())}),
                    mode="append")
    assert lake.ingest("b.csv", "id\n9\n", mode="append") == 2
    assert sorted(r["id"] for r in lake.rows("t")) == [1, 7, 9]
    lake.sql("SELECT sum(id) AS s FROM t", {"t": ("t",)})
    assert lake.rows("out") == [{"s": 17}]


def test_parquet_and_json_lines(lake):
    table = pa.table({"a": pa.array([1, None], pa.int32()), "b": ["x", "y"],
                      "t": pa.array([0, 1], pa.timestamp("ms"))})
    lake.ingest("a.parquet", table, dataset="p")
    assert lake.types("p") == {"a": "integer", "b": "string", "t": "timestamp"}
    assert lake.rows("p")[0]["t"] == datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    lake.ingest("a.jsonl", '{"a": 1, "n": {"k": [1, 2]}}\n{"a": 2.5, "b": "z"}\n', dataset="j")
    assert lake.rows("j") == [{"a": 1.0, "n": '{"k":[1,2]}', "b": None},
                              {"a": 2.5, "n": None, "b": "z"}]


def test_append_takes_the_types_of_the_table(lake):
    lake.ingest("a.csv", "x,zip\n1.5,00501\n")
    lake.ingest("b.csv", "zip,x\n12345,2\n", mode="append")
    assert lake.types("t") == {"x": "double", "zip": "string"}
    assert sorted((r["x"], r["zip"]) for r in lake.rows("t")) == [(1.5, "00501"), (2.0, "12345")]


@pytest.mark.parametrize("text, says", [
    ("x,y\n1,2\n", "column 'y'"),
    ("z\n1\n", "column 'z'"),
    ("x\nabc\n", "a.csv:2: column 'x': 'abc' is not a whole number"),
])
def test_append_that_does_not_fit_is_refused(lake, text, says):
    lake.ingest("a.csv", "x\n1\n2\n")
    assert says in lake.ingest_error("a.csv", text, mode="append")["message"]


LATE = "a,b\n" + "".join(f"{i},{i}\n" for i in range(50000)) + "50000,oops\n50001,1\n"


@pytest.mark.parametrize("text, says", [
    ("a,b\n1,2\n3\n", "a.csv:3: the row has 1 columns, the header 2: 3"),
    ("a,b\n1,2\n3,4,5\n", "a.csv:3: the row has 3 columns, the header 2: 3,4,5"),
    ("a,b\n1,2\n3,4\nx,5\n6,7\n", "a.csv:4: column 'a': 'x' is not a whole number"),
    (LATE, "a.csv:50002: column 'b': 'oops' is not a whole number"),
    ('a,b\n1,2\n3,"x"y\n', "a.csv:3: text follows a closing quote"),
    ('a,b\n1,2\n3,"x\n4,5\n', "a.csv:3: a quote is opened and never closed"),
    ('a,b\n"x\ny",2\n"z",3,4\n', "a.csv:4: the row has 3 columns"),
    ("", "a.csv is empty"),
    ("\n\n", "a.csv is empty"),
    ("a,b\n", "a.csv has no rows"),
    ("a,A\n1,2\n", "columns 1 'a' and 2 'A' have the same name"),
    ("a,,c\n1,2,3\n", "column 2 has no name"),
    ("a,b\n1,2\n".encode("utf-16"), "a.csv is UTF-16"),
    (b"a,b\n1,caf\xe9\n", "a.csv:2: the row is not UTF-8"),
    (b"PK\x03\x04\x00\x00\x00\x00", "a.csv is not text"),
    ("a,b\r1,2\r", "a carriage return stands without a line feed"),
], ids=lambda v: None if isinstance(v, str) and len(v) < 100 else "long or binary")
def test_bad_csv_names_the_place(lake, text, says):
    error = lake.ingest_error("a.csv", text)
    assert says in error["message"]
    assert error["code"] == "invalid"


def test_bad_csv_counts_the_rest(lake):
    error = lake.ingest_error("a.csv", "a\n" + "1\n" * 100 + "x\n2\ny\nz\n")
    assert error["message"] == \
        "a.csv:102: column 'a': 'x' is not a whole number (and 2 more bad rows)"
    assert "columns: {a: string}" in error["hint"] and "nulls: ['x']" in error["hint"]


def test_on_error_skip_keeps_the_good_rows(lake):
    text = "a,b\r\n1,x\r\n2\r\n3,y,z\r\n4,\"q\"\"q\"\r\n"
    result = lake.step("ingest", {"path": "a.csv", "dataset": "t", "on_error": "skip"},
                       {"a.csv": text})
    lake.publish()
    assert lake.rows("t") == [{"a": 1, "b": "x"}, {"a": 4, "b": 'q"q'}]
    [dataset] = result["datasets"]
    assert (dataset["rows"], dataset["skipped"]) == (2, 2)
    assert "a.csv:3: the row has 1 columns" in lake.said
    assert "2 bad rows left out" in result["summary"]


@pytest.mark.parametrize("text, rows", [
    (b"\xef\xbb\xbfa,b\r\n1,x\r\n", [{"a": 1, "b": "x"}]),
    ("a;b\n1;x,y\n", [{"a": 1, "b": "x,y"}]),
    ("a\tb\n1\tx\n", [{"a": 1, "b": "x"}]),
    ("a,b\n1,x\r\n2,y\n", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
    ("a,b\n1,x\n\n2,y\n\n", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
    ('a,b\n1,"x\ny"\n2,"""q"""', [{"a": 1, "b": "x\ny"}, {"a": 2, "b": '"q"'}]),
    ('a,b\n1,"x\r\ny"\n2,z\n', [{"a": 1, "b": "x\r\ny"}, {"a": 2, "b": "z"}]),
    ("a\n007\n12\n", [{"a": "007"}, {"a": "12"}]),
    ("a\n1\n2.5\n", [{"a": 1.0}, {"a": 2.5}]),
    ('"a ""b""",c\n1,é中\n', [{'a "b"': 1, "c": "é中"}]),
    ("a,b\n,x\n", [{"a": None, "b": "x"}]),
])
def test_csv_of_all_kinds_is_read_exactly(lake, text, rows):
    lake.ingest("a.csv", text)
    assert lake.rows("t") == rows


def test_words_for_null(lake):
    lake.ingest("a.csv", "x,s\n1,NA\nNA,b\n-,c\n", nulls=["NA", "-"])
    assert lake.rows("t") == [{"x": 1, "s": None}, {"x": None, "s": "b"}, {"x": None, "s": "c"}]


def test_declared_types(lake):
    lake.ingest("a.csv", "a,b,c\n1,2,3\n", columns={"a": "text", "b": "float64",
                                                    "c": "decimal(10,2)"})
    assert lake.types("t") == {"a": "string", "b": "double", "c": "decimal(10,2)"}
    error = lake.ingest_error("a.csv", "a\n1.5\n", columns={"a": "long"})
    assert "a.csv:2: column 'a': '1.5' is not a whole number" in error["message"]
    error = lake.ingest_error("a.csv", "origin\nx\n", columns={"orgin": "string"})
    assert "no column 'orgin'" in error["message"] and "'origin'" in error["hint"]
    error = lake.ingest_error("a.csv", "a\n1\n", columns={"a": "strin"})
    assert "did you mean 'string'" in error["hint"]
    error = lake.ingest_error("a.csv", "a\n300\n", columns={"a": "byte"})
    assert "a.csv:2: column 'a': '300' is not a whole number of 8 bits" in error["message"]
    error = lake.ingest_error("a.csv", "a\n1\n123456\n", columns={"a": "decimal(4,2)"})
    assert "123456" in error["message"]


@pytest.mark.parametrize("name, content, says", [
    ("a.parquet", b"hello, this is no parquet", "a.parquet: "),
    ("a.parquet", b"", "a.parquet is empty"),
    ("a.jsonl", '{"a": 1}\n{"a": \n', "a.jsonl:2: "),
    ("a.jsonl", "", "a.jsonl is empty"),
    ("a.xlsx", b"PK", "cannot read the format 'xlsx'"),
    ("a.parquet", pa.table({"a": [1], "A": [2]}), "the name of 'A' but for case"),
])
def test_bad_files_are_refused(lake, name, content, says):
    assert says in lake.ingest_error(name, content)["message"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.csv", "a/../../x.csv"])
def test_no_way_out_of_the_folder(lake, path):
    error = lake.refused("ingest", {"path": path, "dataset": "t"})
    assert "no path below" in error["message"]


def test_wrong_keys_get_a_suggestion(lake):
    error = lake.ingest_error("a.csv", "a\n1\n", on_eror="skip")
    assert "on_eror" in error["message"]
    error = lake.ingest_error("a.csv", "a\n1\n", mode="apend")
    assert "apend" in error["message"]


def test_sql_reads_pinned_versions(lake):
    lake.ingest("a.csv", "id,x\n1,10\n2,20\n", dataset="a")
    lake.ingest("b.csv", "id,x\n3,30\n", dataset="a")
    lake.sql("SELECT o.x + n.x AS x FROM o, n ORDER BY x;\n", {"o": ("a", 0), "n": ("a",)})
    assert lake.rows("out") == [{"x": 40}, {"x": 50}]


def test_sql_from_a_file_keeps_order(lake):
    lake.ingest("a.csv", "i\n" + "".join(f"{i}\n" for i in range(5000)), dataset="a")
    lake.step("sql", {"file": "q/f.sql", "dataset": "out"},
              {"q/f.sql": "-- newest first\nSELECT i, i / 2 AS half\nFROM a ORDER BY i DESC -- end"},
              {"a": ("a",)})
    lake.publish()
    assert [r["i"] for r in lake.rows("out")] == list(range(4999, -1, -1))
    assert lake.folder.joinpath("result.json").exists()


@pytest.mark.parametrize("text, says", [
    ("SELECT 1,\n  nope FROM a", "sql:2:3: "),
    ("SELECT 1 FRM a x y", "sql:1:"),
    ("SELECT * FROM aa", "sql:1:15: "),
    ("SELECT 1; SELECT 2", "2 statements"),
    ("", "needs 'sql' or 'file'"),
    ("-- nothing", "0 statements"),
    ("DROP TABLE a", "must be a SELECT"),
    ("COPY (SELECT 1) TO 'x.csv'", "x.csv"),
    ("SET threads = 1", "must be a SELECT"),
    ("SELECT CAST(s AS BIGINT) AS n FROM a", "Could not convert string 'u'"),
    ("SELECT id AS a, id AS A FROM a", "same name"),
])
def test_wrong_sql_names_the_place(lake, text, says):
    lake.ingest("a.csv", "id,s\n1,u\n", dataset="a")
    error = lake.refused("sql", {"sql": text, "dataset": "out"}, inputs={"a": ("a",)})
    assert says in error["message"]


@pytest.mark.parametrize("query", [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd', columns={'a': 'VARCHAR'})",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')",
    "SELECT * FROM read_text('../attempt.json')",
    "SELECT * FROM read_parquet('{other}')",
])
def test_sql_reaches_nothing_but_its_inputs(lake, query):
    lake.ingest("a.csv", "id\n1\n", dataset="a")
    lake.ingest("b.csv", "id\n1\n", dataset="secret")
    other = next((lake.data / "lake/default/secret").glob("*.parquet"))
    error = lake.refused("sql", {"sql": query.replace("{other}", str(other)), "dataset": "out"},
                         inputs={"a": ("a",)})
    assert error["code"] in ("forbidden", "invalid")
    assert "root:" not in error["message"]


def test_empty_results_are_tables_too(lake):
    lake.ingest("a.csv", "id,s\n1,u\n", dataset="a")
    lake.sql("SELECT * FROM a WHERE id > 5", {"a": ("a",)})
    assert lake.rows("out") == []
    lake.sql("SELECT count(*) AS n FROM out", {"out": ("out",)}, dataset="n")
    assert lake.rows("n") == [{"n": 0}]
