"""Run steps in this process: python -m gpu_steps RECORD.jsonl [--dry] STEP...; each error is kept with its step."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback
from pathlib import Path

HOMES = {
    "ceilings": "machine:ceilings",
    "tests": "tests:tests",
    "attention": "attention:attention",
    "encoder": "encoder:encoder",
    "gate": "jobs:gate",
    "variants": "jobs:variants",
    "scan": "jobs:scan",
    "training": "training:training",
    "memory": "memory:memory",
    "tune": "tune:tune",
}


def main() -> int:
    """Run the steps; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("steps", nargs="+")
    options = parser.parse_args()
    from .bench import Bench, Watch, brief
    from .machine import facts

    bench = Bench(options.out, options.dry)
    with options.out.open("a") as file:
        file.write(json.dumps({"machine": facts(bench)}) + "\n")
    failed = False
    for step in options.steps:
        bench.step, began = step, time.monotonic()
        module, function = HOMES[step].split(":")
        with Watch() as watch:
            try:
                getattr(importlib.import_module(f"gpu_steps.{module}"), function)(bench)
            except Exception as error:
                if not bench.lacking(error, step):
                    traceback.print_exc()
                    bench.error(brief(error))
                    failed = True
        with options.out.open("a") as file:
            file.write(json.dumps({"step": step, "watch": watch.facts}) + "\n")
        bench.done(time.monotonic() - began)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
