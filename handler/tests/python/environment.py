"""Prints the Python interpreter that has some requirements installed; makes its virtual environment when it is missing.

    python3 environment.py TARGET_DIR [REQUIREMENTS]

REQUIREMENTS is a file beside this one, requirements.txt if it is not given.
The environment is TARGET_DIR/venv-HASH, where HASH is that of the file and the Python version. Any number of
processes may ask at once: one makes it, the others wait. Needs nothing but Python's standard library.
"""

import fcntl
import hashlib
import subprocess
import sys
import venv
from pathlib import Path


def main():
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit(f"Python 3.11 to 3.13 is needed for the tests, but python3 is {sys.version.split()[0]}")
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python3 environment.py TARGET_DIR [REQUIREMENTS]")
    requirements = Path(__file__).with_name(sys.argv[2] if len(sys.argv) == 3 else "requirements.txt")
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    digest = hashlib.sha256(version.encode() + requirements.read_bytes()).hexdigest()[:12]
    folder = target / f"venv-{digest}"
    python = folder / "bin" / "python"
    complete = folder / "complete"
    with (target / f"venv-{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            make(folder, python, requirements)
            complete.touch()
    print(python)


def make(folder, python, requirements):
    try:
        venv.create(folder, clear=True, with_pip=True)
    except subprocess.CalledProcessError:
        sys.exit("python3 cannot make a virtual environment: install its venv module (Debian, Ubuntu: apt-get install python3-venv)")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "-r", requirements]
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"pip could not install {requirements}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
