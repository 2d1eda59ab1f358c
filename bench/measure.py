"""Measures what issue 3 asks for. Needs nothing but Python's standard library.

    python3 bench/measure.py PINTAIL

1. Many small files: 2,000 files of 10 rows in one run, and what one further file costs after them, beside what one
   costs before them. By key (as an event names it) and by a walk over the whole lake.
2. One `pintail ingest` of a 1,000-row CSV into an existing lake, from start to end of the process.

Times are wall clock of whole processes; of repeated ones the median, with the lowest and highest.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MANY = 2_000
REPEATS = 11


def rows(start, count):
    lines = [f"{n},customer {n % 97},{n % 100}.{n % 90 + 10},2026-10-{n % 28 + 1:02}" for n in range(start, start + count)]
    return "id,name,amount,day\n" + "\n".join(lines) + "\n"


class Lake:
    def __init__(self, pintail, folder):
        self.pintail, self.folder, self.files = pintail, Path(folder), 0
        (self.folder / "raw" / "sales").mkdir(parents=True)

    def drop(self, count):
        """Writes one more raw file; its key."""
        key = f"sales/{self.files:06}.csv"
        (self.folder / "raw" / key).write_text(rows(self.files * count, count))
        self.files += 1
        return key

    def ingest(self, *keys):
        """Seconds that one run takes."""
        command = [self.pintail, "ingest", "--lake", str(self.folder), *keys]
        begin = time.perf_counter()
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if done.returncode:
            sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr or done.stdout}")
        return seconds

    def one_more(self, count, by_key):
        """Milliseconds for one further file."""
        key = self.drop(count)
        return self.ingest(*([key] if by_key else [])) * 1000


def show(label, times):
    print(f"{label:<46} {statistics.median(times):8.1f} ms  ({min(times):.1f} to {max(times):.1f})")


def many_files(pintail, folder):
    """The lake with many files beside one with a single file, in turns: what the machine does meanwhile hits both."""
    few, many = Lake(pintail, Path(folder) / "few"), Lake(pintail, Path(folder) / "many")
    few.drop(10)
    few.ingest()
    for _ in range(MANY):
        many.drop(10)
    seconds = many.ingest()
    print(f"{MANY} files of 10 rows in one run: {seconds:.2f} s, {MANY / seconds:.0f} files per second")
    time.sleep(2.1)  # A file's size and time stand for its content once it is 2 s old.
    many.ingest()
    for by_key, name in ((True, "named by its key"), (False, "found by a walk")):
        times = [(few.one_more(10, by_key), many.one_more(10, by_key)) for _ in range(REPEATS)]
        first, last = zip(*times)
        show(f"one file after one other, {name}", first)
        show(f"one file after {MANY} others, {name}", last)
        print(f"    {statistics.median(last) / statistics.median(first):.2f} times")


def thousand_rows(pintail, folder):
    lake = Lake(pintail, folder)
    lake.drop(1000)
    lake.ingest()
    show("1,000 rows into an existing lake, by its key", [lake.one_more(1000, True) for _ in range(REPEATS)])
    show("1,000 rows into an existing lake, by a walk", [lake.one_more(1000, False) for _ in range(REPEATS)])


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 bench/measure.py PINTAIL")
    for measure in (many_files, thousand_rows):
        with tempfile.TemporaryDirectory() as scratch:
            measure(sys.argv[1], scratch)


if __name__ == "__main__":
    main()
