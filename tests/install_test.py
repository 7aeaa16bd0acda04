"""What is installed, used from where it is installed: by CMake, by pkg-config, as a Debian package, by the shells.

The wheel is tests/python/wheel_test.py's.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from make_model import ModelSpec
from support import ROOT, Program

VERSION = re.findall(r'BGEM3_VERSION "(.*)"', (ROOT / "include/bgem3/version.h").read_text())[0]
HEADERS = sorted({file.name for file in (ROOT / "include/bgem3").iterdir()} - {"hub.h"})  # hub.h: not in the library
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]

CPP_PROGRAM = """
#include <bgem3/embedder.h>
#include <bgem3/scoring.h>

#include <iostream>

int main(int, char** arguments) {
  try {
    bgem3::Embedder::open({.model = "no/such-model"});
    return 1;
  } catch (const bgem3::ModelLoadingError& error) {
    std::cout << to_string(error.code()) << "\\n";
  }
  const auto embedder = bgem3::Embedder::open({.model = arguments[1], .threads = 1});
  std::cout << embedder.embed_one("The sea is deep.").size() << " dimensions\\n";
}
"""


@pytest.fixture(scope="module")
def model(model_folder: Callable[[ModelSpec], Path]) -> Path:
    return model_folder(ModelSpec())


def run(*command: object, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """A command that must succeed; its standard output."""
    words = list(map(str, command))
    result = subprocess.run(words, capture_output=True, text=True, check=False, env=env, cwd=cwd)
    assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
    return result.stdout


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def write_program(language: str, folder: Path) -> Path:
    """A user's program in C or C++, which takes a model and texts."""
    source = folder / ("use.c" if language == "C" else "use.cc")
    source.write_text((ROOT / "examples/embed.c").read_text() if language == "C" else CPP_PROGRAM)
    return source


def check_program(language: str, program: Path, model: Path, env: dict[str, str] | None = None) -> None:
    output = run(program, model, "The sea is deep.", "Bread is baked.", env=env)
    if language == "C":
        expected = (
            r"\d+ dimensions, up to 8192 tokens a text, f32 on \w+\n1\.000 .* tokens  The sea.*\n.* Bread is baked\.\n"
        )
    else:
        expected = r"not_found\n\d+ dimensions\n"
    assert re.fullmatch(expected, output), output


# ---- The prefix ----


def test_every_file_is_where_it_is_looked_for(prefix: Path) -> None:
    short = ".".join(VERSION.split(".")[:2])
    expected = {
        "bin/bgem3",
        *(f"include/bgem3/{name}" for name in HEADERS),
        *(f"lib/libbgem3.so{suffix}" for suffix in ("", f".{short}", f".{VERSION}")),
        "lib/cmake/bgem3/bgem3-config.cmake",
        "lib/cmake/bgem3/bgem3-config-version.cmake",
        "lib/pkgconfig/bgem3.pc",
        "share/bash-completion/completions/bgem3",
        "share/doc/bgem3/CHANGELOG.md",
        "share/doc/bgem3/copyright",
        "share/doc/bgem3/examples/embed.c",
        "share/doc/bgem3/examples/generator.cc",
        "share/fish/vendor_completions.d/bgem3.fish",
        "share/man/man1/bgem3.1",
        "share/zsh/site-functions/_bgem3",
    }
    found = {str(file.relative_to(prefix)) for file in files_below(prefix)}
    build_types = {name for name in found if re.fullmatch(r"lib/cmake/bgem3/bgem3-config-\w+\.cmake", name)}
    assert found - (build_types - expected) == expected
    assert len(build_types) == 2


def test_no_file_names_where_it_was_built(prefix: Path) -> None:
    installed_first = prefix.with_name("first")
    for file in files_below(prefix):
        content = file.read_bytes()
        for folder in (ROOT, ROOT.resolve(), installed_first):
            assert str(folder).encode() not in content, file


def test_program_needs_no_library_of_ours(prefix: Path, model: Path, program: Program) -> None:
    needed = run("readelf", "-d", prefix / "bin/bgem3")
    assert "libbgem3" not in needed
    assert "RUNPATH" not in needed
    installed = Program(prefix / "bin/bgem3", program.scratch)
    texts = ["The sea is deep.", "Bread is baked."]
    assert installed.embed_bytes(model, texts) == program.embed_bytes(model, texts)
    assert run(prefix / "bin/bgem3", "--version") == f"bgem3 {VERSION}\n"


def test_library_exports_what_the_headers_declare(prefix: Path) -> None:
    library = prefix / "lib/libbgem3.so"
    assert f"soname: [libbgem3.so.{'.'.join(VERSION.split('.')[:2])}]" in run("readelf", "-d", library)
    lines = run("nm", "--dynamic", "--defined-only", "--demangle", library).splitlines()
    names = {line.split(" ", 2)[2] for line in lines}
    declared = set(
        re.findall(r"^[\w ]+\*? ?\b(bgem3_\w+)\(", (prefix / "include/bgem3/bgem3.h").read_text(), re.MULTILINE)
    )
    assert {name for name in names if name.startswith("bgem3_")} == declared
    others = {name for name in names if not name.startswith("bgem3_")}
    assert all(re.match(r"((typeinfo|typeinfo name|vtable) for )?bgem3::", name) for name in others)
    for name in ("bgem3::Embedder::open(bgem3::OpenOptions const&)", "typeinfo for bgem3::ModelLoadingError"):
        assert name in others
    # Names that stand in src/ only.
    for inside in ("c_api::", "ThreadPool", "Encoder::", "PackedModel", "sha256", "check_failed"):
        assert not [name for name in others if f"bgem3::{inside}" in name], inside


@pytest.mark.parametrize("name", HEADERS)
def test_header_stands_alone(prefix: Path, name: str, tmp_path: Path) -> None:
    """A user needs no other library's headers, and gets no warnings from ours."""
    languages = {"c++20": "cc"} if name not in ("bgem3.h", "version.h") else {"c11": "c", "c99": "c", "c++20": "cc"}
    for standard, suffix in languages.items():
        source = tmp_path / f"header.{suffix}"
        source.write_text(f"#include <bgem3/{name}>\nint main(void) {{ return 0; }}\n")
        compiler = "cc" if suffix == "c" else "c++"
        run(compiler, f"-std={standard}", *WARNINGS, "-fsyntax-only", "-I", prefix / "include", source)


@pytest.mark.parametrize("language", ["C", "CXX"])
def test_find_package(prefix: Path, model: Path, language: str, tmp_path: Path) -> None:
    source = write_program(language, tmp_path)
    major, minor, _ = VERSION.split(".")
    (tmp_path / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.16)
project(use LANGUAGES {language})
foreach(other {major}.{int(minor) + 1} {int(major) + 1}.0)
  find_package(bgem3 ${{other}} QUIET)
  if(bgem3_FOUND)
    message(FATAL_ERROR "version ${{other}} is not installed")
  endif()
endforeach()
find_package(bgem3 {major}.{minor} REQUIRED)
add_executable(use {source.name})
target_link_libraries(use PRIVATE bgem3::bgem3)
""")
    build = tmp_path / "build"
    run("cmake", "-S", tmp_path, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    check_program(language, build / "use", model)


@pytest.mark.parametrize("language", ["C", "CXX"])
def test_pkg_config(prefix: Path, model: Path, language: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    assert run("pkg-config", "--modversion", "bgem3", env=environment).strip() == VERSION
    flags = run("pkg-config", "--cflags", "--libs", "bgem3", env=environment).split()
    compiler = ["cc", "-std=c11"] if language == "C" else ["c++", "-std=c++20"]
    run(*compiler, *WARNINGS, write_program(language, tmp_path), *flags, "-o", tmp_path / "use")
    check_program(language, tmp_path / "use", model, {**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")})


def test_make_install_honours_prefix_and_destdir(build_folder: Path, prefix: Path, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    run("make", "-C", ROOT, "-o", "program", "install", f"RELEASE={build_folder}", "PREFIX=/usr/x", f"DESTDIR={staged}")
    found = [file.relative_to(staged / "usr/x") for file in files_below(staged)]
    assert found == [file.relative_to(prefix) for file in files_below(prefix)]


# ---- The Debian package ----


@pytest.fixture(scope="module")
def package(build_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    run("cpack", "--config", build_folder / "CPackConfig.cmake", "-B", folder)
    packages = list(folder.glob("*.deb"))
    assert [file.name for file in packages] == [f"bgem3_{VERSION}_{run('dpkg', '--print-architecture').strip()}.deb"]
    return packages[0]


def test_package_says_what_it_is_and_needs(package: Path) -> None:
    fields = dict(re.findall(r"^ ([\w-]+): (.*)", run("dpkg-deb", "--info", package), re.MULTILINE))
    assert (fields["Package"], fields["Version"]) == ("bgem3", VERSION)
    # Read from the binaries by dpkg-shlibdeps: each with the version it needs.
    needed = {entry.split()[0] for entry in fields["Depends"].split(", ")}
    assert {"libc6", "libstdc++6", "libssl3", "libsqlite3-0"} <= {re.sub(r"t64$", "", name) for name in needed}
    assert any(name.startswith("libsimdjson") for name in needed)
    assert not [name for name in needed if name.startswith("bgem3")]


def test_package_is_used_where_it_is_unpacked(package: Path, model: Path, program: Program, tmp_path: Path) -> None:
    run("dpkg-deb", "--extract", package, tmp_path / "root")
    usr = tmp_path / "root/usr"
    assert (usr / "share/zsh/vendor-completions/_bgem3").exists()
    assert ".symtab" not in run("readelf", "--sections", usr / "bin/bgem3")
    for file in files_below(usr):
        assert str(ROOT).encode() not in file.read_bytes(), file
    texts = ["The sea is deep."]
    assert Program(usr / "bin/bgem3", program.scratch).embed_bytes(model, texts) == program.embed_bytes(model, texts)

    environment = {**os.environ, "PKG_CONFIG_PATH": str(usr / "lib/pkgconfig"), "LD_LIBRARY_PATH": str(usr / "lib")}
    flags = run("pkg-config", "--cflags", "--libs", "bgem3", env=environment).split()
    run("cc", "-std=c11", usr / "share/doc/bgem3/examples/embed.c", *flags, "-o", tmp_path / "embed")
    check_program("C", tmp_path / "embed", model, environment)


@pytest.mark.skipif(os.geteuid() != 0, reason="dpkg installs as root only")
def test_package_is_installed_and_removed(package: Path, tmp_path: Path) -> None:
    """By dpkg, into a system that has nothing else."""
    for folder in ("info", "updates", "triggers"):
        (tmp_path / "var/lib/dpkg" / folder).mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").touch()
    dpkg = ["dpkg", f"--root={tmp_path}", "--log=/dev/null", "--force-depends", "--force-script-chrootless"]
    run(*dpkg, "--install", package)
    assert "Status: install ok installed" in run(*dpkg, "--status", "bgem3")
    assert run(tmp_path / "usr/bin/bgem3", "--version") == f"bgem3 {VERSION}\n"
    run(*dpkg, "--remove", "bgem3")
    assert not (tmp_path / "usr").exists()


def test_copyright_names_what_is_compiled_in(prefix: Path) -> None:
    copyright_text = (prefix / "share/doc/bgem3/copyright").read_text()
    licence = (ROOT / "LICENSE").read_text()
    expat = copyright_text.split("License: Expat\n")[-1].split("\n\nLicense:")[0]
    assert expat.replace("\n .\n", "\n\n").replace("\n ", "\n").strip() in licence
    for name in ("CLI11", "fmt", "simdjson"):
        assert f"Files: {name}\n" in copyright_text


# ---- Manual page and completions ----


def commands(program: Program, path: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """The program and all its commands, by their paths, as --help lists them."""
    text = program.run(*path, "--help").stdout.decode()
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    names = re.findall(r"^  ([a-z][\w-]*)", listed[1], re.MULTILINE) if listed else []
    return [tuple(path), *(below for name in names for below in commands(program, [*path, name]))]


def options(program: Program, command: Sequence[str]) -> list[str]:
    """The options that a command's --help lists, by their long names."""
    text = program.run(*command, "--help").stdout.decode()
    names = re.findall(r"^  (?:-\w,)?(--[a-z][a-z0-9-]*)", text, re.MULTILINE)
    assert "--help" in names
    return names


def test_manual_has_every_command_and_option(prefix: Path, program: Program) -> None:
    page = (prefix / "share/man/man1/bgem3.1").read_text()
    assert len(commands(program)) > 6
    for command in commands(program):
        heading = f'.SS "bgem3 {" ".join(command)}' if command else ".SH OPTIONS\n"
        section = re.split(r"^\.S[SH] ", page[page.index(heading) + 3 :], maxsplit=1, flags=re.MULTILINE)[0]
        for name in options(program, command):
            assert f"\\fB{name}\\fR".replace("-", "\\-") in section, (command, name)


def test_manual_is_well_formed(prefix: Path) -> None:
    page = prefix / "share/man/man1/bgem3.1"
    result = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
    )
    complaints = [line for line in result.stdout.splitlines() if "missing date" not in line]
    assert not complaints, "\n".join(complaints)
    shown = run("mandoc", "-T", "ascii", page).replace("\b", "")
    assert "bgem3 embed texts.txt -o vectors.npy" in shown


def bash_answers(prefix: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words of a command line."""
    file = prefix / "share/bash-completion/completions/bgem3"
    script = f'source {file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bgem3; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return run("bash", "-uc", script, "bash", "bgem3", *words).split()


def test_bash_completes_every_command_and_option(prefix: Path, program: Program) -> None:
    run("bash", "-n", prefix / "share/bash-completion/completions/bgem3")
    for command in commands(program):
        below = {other[-1] for other in commands(program) if other and other[:-1] == command}
        if below:
            assert set(bash_answers(prefix, *command, "")) == below
        assert set(options(program, command)) <= set(bash_answers(prefix, *command, "-")), command


def test_bash_completes_values(prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bash_answers(prefix, "emb") == ["embed"]
    assert bash_answers(prefix, "embed", "--dtype", "b") == ["bf16", "bfloat16"]
    assert bash_answers(prefix, "embed", "--dtype", "=", "int") == ["int8"]
    assert bash_answers(prefix, "embed", "--dtype", "=") == ["f32", "float32", "bf16", "bfloat16", "int8"]
    assert bash_answers(prefix, "embed", "texts.txt", "--max-l") == ["--max-length"]
    assert bash_answers(prefix, "embed", "--threads", "") == []
    assert bash_answers(prefix, "completion", "") == ["bash", "zsh", "fish"]
    (tmp_path / "texts.txt").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert sorted(bash_answers(prefix, "embed", "")) == ["folder", "texts.txt"]
    assert bash_answers(prefix, "embed", "--model", "") == ["folder"]
    assert bash_answers(prefix, "embed", "-o", "te") == ["texts.txt"]


def fish_answers(prefix: Path, line: str, home: Path) -> list[str]:
    file = prefix / "share/fish/vendor_completions.d/bgem3.fish"
    environment = {**os.environ, "HOME": str(home)}
    script = f"source {file}; complete -C '{line}'"
    output = run("fish", "--no-config", "-c", script, env=environment, cwd=home)
    return [answer.split("\t")[0] for answer in output.splitlines()]


def test_fish_completes(prefix: Path, program: Program, tmp_path: Path) -> None:
    for command in commands(program):
        line = " ".join(["bgem3", *command])
        below = {other[-1] for other in commands(program) if other and other[:-1] == command}
        if below:
            assert set(fish_answers(prefix, f"{line} ", tmp_path)) == below
        assert set(options(program, command)) <= set(fish_answers(prefix, f"{line} --", tmp_path)), command
    assert fish_answers(prefix, "bgem3 embed --dtype b", tmp_path) == ["bf16", "bfloat16"]
    assert fish_answers(prefix, "bgem3 completion ", tmp_path) == ["bash", "fish", "zsh"]
    (tmp_path / "texts.txt").touch()
    (tmp_path / "folder").mkdir()
    assert fish_answers(prefix, "bgem3 embed --model ", tmp_path) == ["folder/"]
    assert fish_answers(prefix, "bgem3 embed te", tmp_path) == ["texts.txt"]


class Zsh:
    """An interactive zsh that has only the completions of the prefix beside its own."""

    def __init__(self, prefix: Path, home: Path) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            environment = {**os.environ, "HOME": str(home), "TERM": "dumb"}
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
        folder = prefix / "share/zsh/site-functions"
        self.send(
            f"PS1= PS2=; unsetopt zle_bracketed_paste; fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u\n"
        )
        self.send(
            "show() { print -r -- \"<$BUFFER>\"; zle kill-whole-line }; zle -N show; bindkey '^X' show; print rea''dy\n"
        )
        self.read_until(r"ready\r\n")

    def send(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def read_until(self, pattern: str) -> re.Match[str]:
        output, deadline = "", time.monotonic() + 60
        while time.monotonic() < deadline:
            if select.select([self.terminal], [], [], 0.1)[0]:
                output += os.read(self.terminal, 4096).decode(errors="replace")
            found = re.search(pattern, output)
            if found:
                return found
        pytest.fail(f"zsh: no {pattern} in {output!r}")

    def completed(self, line: str) -> str:
        """The line after the tabulator key."""
        self.send(f"{line}\t\x18")
        return self.read_until(r"<([^>]*)>\r?\n")[1]

    def close(self) -> None:
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def test_zsh_completes(prefix: Path, tmp_path: Path) -> None:
    file = prefix / "share/zsh/site-functions/_bgem3"
    run("zsh", "-n", file)
    sourced = f"autoload -Uz compinit; compinit -D -u; source {file}; print $_comps[bgem3]"
    assert run("zsh", "-fc", sourced) == "_bgem3\n"
    (tmp_path / "texts.txt").touch()
    (tmp_path / "folder").mkdir()
    zsh = Zsh(prefix, tmp_path)
    try:
        assert zsh.completed("bgem3 emb") == "bgem3 embed "
        assert zsh.completed("bgem3 embed --max-l") == "bgem3 embed --max-length="
        assert zsh.completed("bgem3 embed --dtype=in") == "bgem3 embed --dtype=int8 "
        assert zsh.completed("bgem3 embed te") == "bgem3 embed texts.txt "
        assert zsh.completed("bgem3 embed texts.txt --model f") == "bgem3 embed texts.txt --model folder/"
        assert zsh.completed("bgem3 cache cl") == "bgem3 cache clean "
        assert zsh.completed("bgem3 cache clean --dr") == "bgem3 cache clean --dry-run "
        assert zsh.completed("bgem3 completion z") == "bgem3 completion zsh "
    finally:
        zsh.close()


def test_zsh_has_every_option(prefix: Path, program: Program) -> None:
    file = (prefix / "share/zsh/site-functions/_bgem3").read_text()
    for command in commands(program):
        function = "_".join(["_bgem3", *command])
        body = file[file.index(f"\n{function}() {{") :].split("\n}\n")[0]
        for name in options(program, command):
            assert re.search(rf"\){name}=?\[|\*{name}=?\[", body), (command, name)
