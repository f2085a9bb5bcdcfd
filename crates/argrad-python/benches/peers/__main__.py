"""`python crates/argrad-python/benches/peers [--device cuda] [--quick] [--cases ...]`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

if __package__ in (None, ""):
    # Run as a folder: make it the package that its modules expect.
    sys.path[0] = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [sys.path[0], *filter(None, [os.environ.get("PYTHONPATH")])]
    )

from tqdm import tqdm

from peers import arguments, cases, race, report
from peers.entrants.base import cores
from peers.process import Process

#: Layers whose construction is measured: not all sizes of the same one.
_CONSTRUCTED = ("qp-10-10-5", "qp-50-50-10", "qp-100-100-0")


def main() -> None:
    """Runs what the command line asks for and prints the tables."""
    options = arguments.parse()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(cores()))
    processes = {name: Process(name, options.limit, options.device) for name in options.entrants}
    facts, results, batches = report.machine(options.device), {}, {}
    options.json.parent.mkdir(parents=True, exist_ok=True)

    def versions() -> dict[str, str]:
        return {name: process.version for name, process in processes.items()}

    def save(times: dict) -> None:
        found = report.as_json(facts, versions(), results, batches, times)
        options.json.write_text(json.dumps(found, indent=2) + "\n")

    constructed = [
        name
        for name in options.cases
        if options.device == "cpu" and (name in _CONSTRUCTED or not name.startswith("qp-"))
    ]
    try:
        with tqdm(total=len(options.cases) + 1, unit="case", disable=None) as bar:
            for name in options.cases:
                batches[name] = cases.size(name, options.quick)
                results[name] = race.run_case(name, options, processes, bar)
                # The whole takes long: nothing that was measured is lost.
                save({})
                tqdm.write(report.speed({name: results[name]}, batches), file=sys.stderr)
                bar.update()
            times = race.construction(constructed, options, processes, bar)
            bar.update()
    finally:
        for process in processes.values():
            process.close()
    print(report.heading(facts, versions(), options.quick))
    reached = report.targets(results, options.device)
    print(f"\n{report.speed(results, batches)}\n\n{reached}\n")
    if times:
        print(f"Construction:\n\n{report.construction(times)}\n")
    save(times)
    print(f"Also in {options.json}.")


if __name__ == "__main__":
    main()
