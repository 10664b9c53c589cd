#!/usr/bin/env python3
"""Tries the recipes of docs/apps with the real applications: docs/apps/try/run.py [NAME...]

    VESTIBULE=PATH   the program (default: the newest build in target/, else the one that is installed)
    TRY_KEEP=1       leave the folders, and what runs in them
    TRY_REQUIRE=1    a program that is missing is a failure, not a line that says so

The configuration is the one that the page shows. What it prints is what was seen.
"""

import importlib
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from gateway import Failed, Missing  # noqa: E402


def main(names):
    known = sorted(path.stem for path in HERE.glob("app_*.py"))
    wanted = [f"app_{name.replace('-', '_')}" for name in names] or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"there is no trial of {', '.join(unknown)}; there are {', '.join(n[4:].replace('_', '-') for n in known)}")
    failed = 0
    for name in wanted:
        title = name[4:].replace("_", "-")
        print(title, flush=True)
        started = time.monotonic()
        try:
            importlib.import_module(name).tries()
            print(f"    ({time.monotonic() - started:.1f} s)", flush=True)
        except Missing as missing:
            print(f"    not tried: {missing}", flush=True)
            failed += os.environ.get("TRY_REQUIRE") == "1"
        except Failed as fault:
            print(f"    FAILED: {fault}", flush=True)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
