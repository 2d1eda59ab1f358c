#!/usr/bin/env python3
"""Measures `stack synth` from its start to the written template: median and worst time, largest memory.

usage: stack/measure.py PROGRAM [RUNS]      for example: stack/measure.py target/debug/stack
"""

import os
import pathlib
import statistics
import sys
import tempfile
import time


def run(program, output):
    """Milliseconds and MiB of one run that writes the file anew."""
    output.unlink(missing_ok=True)
    begin = time.perf_counter()
    child = os.posix_spawn(program, [program, "synth", "--output", str(output)], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(child, 0)
    elapsed = (time.perf_counter() - begin) * 1000
    if status or not output.stat().st_size:
        sys.exit(f"{program} failed")
    return elapsed, usage.ru_maxrss / 1024


def main():
    program, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100
    with tempfile.TemporaryDirectory() as folder:
        taken = [run(program, pathlib.Path(folder) / "template.out.json") for _ in range(runs)]
    times = [elapsed for elapsed, _ in taken]
    print("| runs | median | worst | memory |\n| --- | --- | --- | --- |")
    print(f"| {runs} | {statistics.median(times):.1f} ms | {max(times):.1f} ms | {max(memory for _, memory in taken):.1f} MiB |")


if __name__ == "__main__":
    main()
