#!/usr/bin/env python3
"""Reads every #include of the project and holds it against the floors of the house.

A file may include what stands on its own or a lower floor, nobody else's internal/ folder, and, in a header, none of the
libraries that are heavy to compile. Every folder has a README of at most 40 lines.

Usage: check_layering.py ROOT
"""
import pathlib
import re
import sys

# Folder -> the folders it may include, besides itself. The longest matching folder counts.
ALLOWED = {
    "runtime/base": [],
    "runtime/net": ["runtime/base"],
    "runtime/storage": ["runtime/base"],
    "runtime/records": ["runtime/base", "runtime/storage"],
    "runtime/checkpoint": ["runtime/base", "runtime/storage", "runtime/records"],
    "runtime/cluster": ["runtime/base", "runtime/storage", "runtime/net"],
    "ops": ["runtime"],
    "ps": ["runtime", "ops"],
    "models": ["runtime", "ops"],
    "worker": ["runtime", "ops", "ps", "models"],
    "worker/coordination": ["runtime", "ps"],
    "cli": ["runtime", "ops", "ps", "models", "worker"],
    "tests": ["runtime", "ops", "ps", "models", "worker", "cli"],
    "bench": ["runtime", "ops", "ps", "models", "worker", "cli", "tests/support"],
}
PROJECT = ("runtime/", "ops/", "ps/", "models/", "worker/", "cli/", "tests/", "bench/")
# Library -> the folders that may include it at all. None of them in a header.
CONFINED = {
    r"boost/": ["runtime/net"],
    r"mpi\.h": ["runtime/cluster", "worker/collective", "bench"],
    r"nccl": ["worker/collective"],
    r"cuda|cublas": ["ops/cuda"],
    r"google/protobuf|.*\.pb\.h": ["runtime/records", "runtime/checkpoint", "models/export", "ps/proto", "tests"],
    r"leveldb/": ["runtime/checkpoint", "tests"],
    r"curl/": ["cli/data", "runtime/storage"],
    r"openssl/": ["runtime/base", "runtime/storage", "runtime/net"],
    r"yaml-cpp/": ["runtime/base", "worker"],
    r"nlohmann/": ["runtime/cluster", "models", "cli", "tests"],
    r"spdlog/": ["runtime/base"],
    r"zlib\.h": ["runtime/storage", "cli/data/synthetic", "tests"],
    r"CLI/": ["cli", "tests"],
    r".*intrin\.h": ["ops/cpu", "runtime/base", "runtime/records", "bench"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]', re.M)
README_LINES = 40


def longest_match(path, folders):
    return max((f for f in folders if path == f or path.startswith(f + "/")), key=len, default=None)


def problems_of(path, text):
    home = longest_match(path, ALLOWED)
    if home is None:
        yield f"{path}: no floor is known for this folder"
        return
    for included in INCLUDE.findall(text):
        if included.startswith(PROJECT) and not included.endswith(".pb.h"):
            if not any(included.startswith(folder + "/") for folder in [home, *ALLOWED[home]]):
                yield f"{path}: includes {included}: {home} may include only {', '.join([home, *ALLOWED[home]])}"
            owner = included.split("/internal/")[0]
            if "/internal/" in included and not path.startswith((owner, "tests/" + owner.split("/")[0] + "/")):
                yield f"{path}: includes {included}: internal/ belongs to {owner}"
            continue
        for library, folders in CONFINED.items():
            if not re.match(library, included):
                continue
            if longest_match(path, folders) is None:
                yield f"{path}: includes {included}: only {', '.join(folders)} may"
            elif path.endswith(".h") and not path.startswith(("ops/cpu/", "tests/")) and "/internal/" not in path:
                yield f"{path}: includes {included}: heavy headers stay in .cc files"


def main(root):
    found = []
    files = 0
    for folder in sorted({f.split("/")[0] for f in ALLOWED}):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc", ".cu"):
                files += 1
                found += problems_of(path.relative_to(root).as_posix(), path.read_text())
        readme = root / folder / "README.md"
        if not readme.is_file():
            found.append(f"{folder}: has no README.md")
        elif len(readme.read_text().splitlines()) > README_LINES:
            found.append(f"{readme.relative_to(root)}: is longer than {README_LINES} lines")
    print("\n".join(found) if found else f"{files} files keep to their floors")
    return 1 if found or not files else 0


def self_test():
    """The check must be able to fail."""
    def bad(path, text):
        return list(problems_of(path, text))
    assert bad("ops/x.cc", '#include "models/batch.h"')
    assert bad("models/x.cc", '#include "ps/table.h"')
    assert bad("ps/x.cc", '#include "models/batch.h"')
    assert bad("runtime/base/x.cc", '#include "runtime/storage/file_system.h"')
    assert bad("models/x.cc", "#include <yaml-cpp/yaml.h>")
    assert bad("worker/x.cc", "#include <curl/curl.h>")
    assert bad("worker/x.cc", '#include "models/internal/network.h"')
    assert bad("tests/worker/x_test.cc", '#include "models/internal/network.h"')
    assert not bad("worker/x.cc", '#include "models/model.h"\n#include <yaml-cpp/yaml.h>\n#include <vector>')


if __name__ == "__main__":
    self_test()
    sys.exit(main(pathlib.Path(sys.argv[1])))
