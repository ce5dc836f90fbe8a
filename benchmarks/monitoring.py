"""What monitoring is held to: its benchmarks in turn, each in a process of its own.

    python -m benchmarks.monitoring [drift histories looks loss alerts kill replays]

drift: false alarms, power, time and memory; histories: seven simulated years, is the right thing asked for in time, how did the label-free estimates do; looks:
how often sixteen looks at a good model alarm; loss: against never and every quarter; alerts: precision and lead time; kill: the cycle killed at random
moments; replays: real companies year by year. Histories are resumed from the file of --histories.
"""

import argparse
import subprocess
import sys


def commands(histories):
    """{part: its command lines}."""
    told = [["benchmarks.histories", "--out", histories, "--part", part] for part in ("run", "table", "label-free")]
    return {"drift": [["benchmarks.drift"]], "histories": told, "looks": [["benchmarks.history_looks"]], "loss": [["benchmarks.history_loss"]],
            "alerts": [["benchmarks.alerts"]], "kill": [["benchmarks.cycle_kill"]], "replays": [["benchmarks.replays"]]}


def main():
    """Run the parts asked for, all of them unless some are named; a part that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--histories", default="histories.jsonl")
    arguments = parser.parse_args()
    known = commands(arguments.histories)
    if unknown := [part for part in arguments.parts if part not in known]:
        parser.error(f"there is no part {unknown[0]}: use {', '.join(known)}")
    for part in arguments.parts or known:
        for command in known[part]:
            print(f"== {part}: {' '.join(command)}", flush=True)
            subprocess.run([sys.executable, "-m", *command], check=True)


if __name__ == "__main__":
    main()
