#!/usr/bin/env python3
"""Checks that ctest's entries run every test of every test program, each of them once.

Usage: every_test_runs.py ENTRIES ROOT    ENTRIES has a line for each entry: program, source and filter, with tabs
                                          between; each *_test.cc below ROOT must be the source of one.
"""
import collections
import pathlib
import subprocess
import sys


def tests_of(program, test_filter):
    """The names "Suite.Test" that the program has among what the filter lets through."""
    listed = subprocess.run([program, "--gtest_list_tests", f"--gtest_filter={test_filter}"],
                            check=True, capture_output=True, text=True, timeout=60).stdout
    names, suite = [], ""
    for line in listed.splitlines():
        name = line.split("#")[0].strip()
        if line.startswith("  "):
            names.append(suite + name)
        elif name.endswith("."):
            suite = name
    return names


def problems_of(entries, sources):
    for source in sorted(sources - {source for _, source, _ in entries}):
        yield f"{source} is in no test program: add it to FILES in its folder's CMakeLists.txt"
    programs = collections.defaultdict(collections.Counter)
    for program, source, test_filter in entries:
        names = tests_of(program, test_filter)
        if not names:
            yield f"{program} has no test of {source} (--gtest_filter={test_filter}): configure and build again"
        programs[program].update(names)
    for program, runs in programs.items():
        names = tests_of(program, "*")
        print(f"{len(names)} tests in {program}")
        for name in names:
            if runs[name] != 1:
                yield f"{name} of {program} is run by {runs[name]} entries of ctest: configure and build again"


def main(entries_file, root):
    entries = [line.split("\t") for line in pathlib.Path(entries_file).read_text().splitlines()]
    problems = list(problems_of(entries, {str(path) for path in pathlib.Path(root).resolve().rglob("*_test.cc")}))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems or not entries else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
