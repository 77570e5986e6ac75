"""Reads the census CSV with pandas' C engine, which is what it does in one thread; prints the median MB/s of some rounds as JSON.

With categories texts become codes as they are read: the fastest way of that engine, and the least that a model would need of them:
nothing is hashed or crossed.

Usage: pandas_read.py CSV MIB ROUNDS
"""
import io
import json
import statistics
import sys
import time

import pandas

FIELDS = ("age workclass fnlwgt education education_num marital_status occupation relationship race gender capital_gain "
          "capital_loss hours_per_week native_country income_bracket").split()
NUMBERS = "age fnlwgt education_num capital_gain capital_loss hours_per_week".split()
CATEGORIES = {name: "category" for name in FIELDS if name not in NUMBERS}


def read(text):
    return pandas.read_csv(io.BytesIO(text), names=FIELDS, engine="c")


def read_categories(text):
    return pandas.read_csv(io.BytesIO(text), names=FIELDS, engine="c", dtype=CATEGORIES)


def speed(work, text, rounds):
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work(text)
        seconds.append(time.perf_counter() - start)
    return len(text) / statistics.median(seconds) / 1e6


def main(path, mib, rounds):
    with open(path, "rb") as file:
        rows = file.read().rstrip(b"\n") + b"\n"
    text = rows * -(-(mib << 20) // len(rows))
    print(json.dumps({"pandas.read_csv": speed(read, text, rounds),
                      "pandas.read_csv, texts as categories": speed(read_categories, text, rounds)}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
