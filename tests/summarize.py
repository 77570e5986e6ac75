#!/usr/bin/env python3
"""Sums up ctest's JUnit files: what was skipped and why, what failed, and how many passed.

Usage: summarize.py FILE ...    The last line is "N passed, N failed, N skipped".
"""
import pathlib
import sys
import xml.etree.ElementTree


def main(files):
    passed, failed, skipped = [], [], []
    for file in files:
        build = pathlib.Path(file).stem.removeprefix("tests-")
        if not pathlib.Path(file).exists():
            failed.append(f"all tests ({build}): ctest left no results in {file}")
            continue
        for case in xml.etree.ElementTree.parse(file).getroot().iter("testcase"):
            name = f"{case.get('name')} ({build})"
            output = case.findtext("system-out") or ""
            reasons = [line.removeprefix("SKIP: ") for line in output.splitlines() if line.startswith("SKIP: ")]
            if case.get("status") == "run" and case.find("failure") is None:
                passed.append(name)
            elif case.find("skipped") is not None and reasons:
                skipped.append(f"{name}: {'; '.join(reasons)}")
            else:  # A test that did not run, and does not say why, has not passed.
                failed.append(name)
    for title, names in (("skipped", skipped), ("FAILED", failed)):
        for name in names:
            print(f"{title}: {name}")
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


sys.exit(main(sys.argv[1:]))
