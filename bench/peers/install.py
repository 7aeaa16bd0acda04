"""The peers' environment under build/peers: installed package by package, so that a failure costs its own rows only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from contenders import Contender
from workloads import ROOT

BUILD = ROOT / "build/peers"
PYTHON = BUILD / "venv/bin/python"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements"
CONSTRAINTS = REQUIREMENTS / "constraints.txt"
# torch alone and first: asked for by another package, pip would take a build with gigabytes of CUDA. The converters
# need sentence-transformers' packages.
FIRST = ("torch", "sentence-transformers")


def last_line(text: str) -> str:
    """The last line of a program's messages that says something, or a word that there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines or ["it left no message"])[-1]


def install_package(name: str) -> str:
    """Installs requirements/NAME.txt unless this has been done; "" or what went wrong."""
    requirements = REQUIREMENTS / f"{name}.txt"
    wanted = requirements.read_text() + CONSTRAINTS.read_text()
    stamp = BUILD / "installed" / name
    if stamp.exists() and stamp.read_text() == wanted:
        return ""
    print(f"installing {name}", flush=True)
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "-c", CONSTRAINTS, "-r", requirements]
    environment = {**os.environ, "CMAKE_ARGS": "-DGGML_NATIVE=ON"}
    with (BUILD / "logs" / f"install-{name}.log").open("w+") as log:
        if subprocess.run(command, env=environment, stdout=log, stderr=log, check=False).returncode != 0:
            log.seek(0)
            errors = [line for line in log.read().splitlines() if line.startswith("ERROR")]
            return f"not installed: {last_line(errors[-1] if errors else '')} ({log.name})"
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(wanted)
    return ""


def install(contenders: list[Contender]) -> dict[str, str]:
    """Installs what the contenders need. Answers the reason for every contender that cannot be had, by key.

    Ends the program if PyTorch or sentence-transformers cannot be had, which the converters and the reference need.
    """
    (BUILD / "logs").mkdir(parents=True, exist_ok=True)
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", PYTHON.parent.parent], check=True)
    for name in FIRST:
        if reason := install_package(name):
            sys.exit(f"{name}: {reason}")
    failed = {package: install_package(package) for package in {c.package: None for c in contenders if not c.ours}}
    return {c.key: failed[c.package] for c in contenders if failed.get(c.package)}


def convert(contenders: list[Contender], model: Path, output: Path) -> dict[str, str]:
    """Makes the missing converted models. Answers the reason for every contender whose model cannot be made, by key."""
    needed = {c.format: None for c in contenders if c.format}
    # What is made from another format comes after it.
    for name, source in (("openvino-", "openvino"), ("onnxruntime-int8", "onnxruntime-f32")):
        if any(wanted.startswith(name) for wanted in needed):
            needed = {source: None, **needed}
    failed = {}
    for name in needed:
        if (output / name).exists():
            continue
        print(f"converting to {name}", flush=True)
        log = BUILD / "logs" / f"convert-{name}.log"
        command = [PYTHON, Path(__file__).with_name("convert.py"), name, "--model", model, "--output", output]
        with log.open("w+") as file:
            if subprocess.run(command, stdout=file, stderr=file, check=False).returncode != 0:
                file.seek(0)
                failed[name] = f"not converted: {last_line(file.read())} ({log})"
    return {c.key: failed[c.format] for c in contenders if c.format in failed}


def versions() -> dict[str, str]:
    """Installed versions of the packages that the requirements name."""
    listed = subprocess.run([PYTHON, "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    installed = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    lines = [line for file in sorted(REQUIREMENTS.glob("*.txt")) if file != CONSTRAINTS for line in file.open()]
    names = [line.strip() for line in lines if line.strip() and line[0] not in "#-"]
    return {name: installed[found] for name in names for found in installed if found.lower() == name.lower()}
