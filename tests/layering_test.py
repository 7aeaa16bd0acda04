"""The order of the modules: every #include points down; the library neither prints, exits nor reads the environment.

The rules are the tables below; the picture they come from is in CMakeLists.txt, where modules stand lowest first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

# Modules that a module may include, itself aside. Public headers (bgem3/...) may be included by every one of them.
ALLOWED: dict[str, set[str]] = {
    "base": set(),
    "tokenizer": {"base"},
    "chunker": {"base", "tokenizer"},
    "kernels": {"base"},
    "scoring": {"base", "kernels"},
    "model": {"base", "kernels"},
    "hub": {"base", "model"},
    "encoder": {"base", "kernels", "model"},
    "embedder": {"base", "tokenizer", "chunker", "kernels", "model", "encoder"},
    "verify": {"base", "tokenizer", "kernels", "scoring", "model", "encoder", "embedder"},
    "generator": {"base", "tokenizer", "chunker", "kernels", "model", "encoder", "embedder"},
    "c_api": set(),
}

# What public headers may include with ".h" in its name: C's own, for the C interface.
C_STANDARD = {"stddef.h", "stdint.h"}

# Third-party and machine-specific headers: where they may be included. Others in angle brackets are those of the
# standard library or the operating system.
THIRD_PARTY: dict[str, set[str]] = {
    "fmt/": {*ALLOWED, "cli"},
    "simdjson.h": {"base", "cli"},
    "openssl/": {"base"},
    "sqlite3.h": {"generator"},
    "curl/": {"hub"},
    "CLI/": {"cli"},
    "archive": {"cli"},
    "immintrin.h": {"kernels"},
    "xmmintrin.h": {"kernels"},
    "arm_neon.h": {"kernels"},
    "nanobind/": {"python"},
    "Python.h": {"python"},
    "gtest/": {"test"},
    "gmock/": {"test"},
}

FORBIDDEN_CALLS = re.compile(
    r"\b(?:printf|fprintf|vprintf|puts|fputs|putchar|fmt::print|std::cout|std::cerr|std::clog|exit|_exit|quick_exit|abort"
    r"|terminate|getenv|secure_getenv|setenv|putenv)\b(?=\s*[(<;])"
)
ENVIRONMENT_READER = "src/model/model_files.cc"  # the Hugging Face cache lookup, the one documented exception

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def include_errors(path: str, source: str) -> Iterator[str]:
    """What is wrong with the #include lines of a file, given by its path from the root of the project."""
    parts = Path(path).parts
    is_test = path.endswith("_test.cc")
    place = parts[1] if parts[0] == "src" else parts[0]
    for bracket, name in INCLUDE.findall(source):
        folder = name.split("/")[0]
        if bracket == "<":
            for prefix, places in THIRD_PARTY.items():
                # A test beside the code may use whatever its module may, and the test library.
                if name.startswith(prefix) and place not in places and not (is_test and "test" in places):
                    yield f"{path}: <{name}> belongs to {', '.join(sorted(places))} only"
            if place == "include" and ("/" in name or name.endswith(".h")) and name not in C_STANDARD:
                yield f"{path}: <{name}>: public headers include the standard library and each other only"
        elif folder == "bgem3":
            if not (ROOT / "include" / name).exists():
                yield f'{path}: "{name}" is no public header'
        elif place == "include":
            yield f'{path}: "{name}": public headers include the standard library and each other only'
        elif place in ("cli", "python"):
            if "/" in name:
                yield f'{path}: "{name}": {place} includes public headers and its own files only'
        elif folder != place and folder not in ALLOWED[place]:
            allowed = ", ".join(sorted(ALLOWED[place])) or "nothing"
            yield f'{path}: "{name}": {place} may include bgem3/, itself and {allowed}'


def call_errors(path: str, source: str) -> Iterator[str]:
    """Calls in a file of the library that print, end the process or touch its environment."""
    code = COMMENT_OR_STRING.sub(" ", source)
    for call in FORBIDDEN_CALLS.finditer(code):
        if call[0] == "getenv" and path == ENVIRONMENT_READER:
            continue
        yield f"{path}: the library never calls {call[0]}"


def files(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*")) if file.suffix in (".h", ".cc")]


def test_every_include_points_down() -> None:
    checked = files("include", "src", "cli", "python")
    assert len(checked) > 20
    errors = [e for file in checked for e in include_errors(str(file.relative_to(ROOT)), file.read_text())]
    assert not errors, "\n".join(errors)


def test_public_headers_make_their_names_visible() -> None:
    """Everything else is hidden (-fvisibility=hidden), and so not in the shared library's interface."""
    visible = re.compile(
        r"\n#pragma GCC visibility push\(default\)\n(?!.*#include).*\n#pragma GCC visibility pop\n", re.DOTALL
    )
    wrong = []
    for file in files("include"):
        outside = visible.sub("\n", file.read_text())
        if re.search(r'^(namespace|extern "C")', outside, re.MULTILINE):
            wrong.append(f"{file.name}: put #pragma GCC visibility push(default) and pop around its namespace")
    assert not wrong, "\n".join(wrong)


def test_every_module_is_in_the_table() -> None:
    modules = {folder.name for folder in (ROOT / "src").iterdir() if folder.is_dir()}
    assert modules <= set(ALLOWED), modules - set(ALLOWED)


def test_library_never_prints_exits_or_reads_the_environment() -> None:
    library = [file for file in files("src", "include") if not file.name.endswith("_test.cc")]
    errors = [e for file in library for e in call_errors(str(file.relative_to(ROOT)), file.read_text())]
    assert not errors, "\n".join(errors)


def test_environment_is_read_in_one_place() -> None:
    reader = ROOT / ENVIRONMENT_READER
    assert reader.exists()
    assert COMMENT_OR_STRING.sub(" ", reader.read_text()).count("getenv(") == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("src/base/file.cc", '#include "tokenizer/utf8.h"'),
        ("src/tokenizer/unigram.cc", '#include "model/weights.h"'),
        ("src/model/weights.cc", '#include "tokenizer/utf8.h"'),
        ("src/model/weights.cc", '#include "encoder/encoder.h"'),
        ("src/tokenizer/unigram.cc", '#include "chunker/words.h"'),
        ("src/chunker/measure.cc", '#include "model/model_files.h"'),
        ("src/kernels/ops.h", '  #  include "model/tensor.h"'),
        ("src/scoring/max_sim.cc", '#include "model/tensor.h"'),
        ("src/encoder/encoder.cc", '#include "embedder/scheduler.h"'),
        ("src/encoder/encoder_test.cc", '#include "tokenizer/utf8.h"'),
        ("src/embedder/embedder.cc", '#include "generator/cache.h"'),
        ("src/embedder/embedder.cc", '#include "hub/protocol.h"'),
        ("src/hub/pull.cc", '#include "encoder/encoder.h"'),
        ("src/model/model_files.cc", "#include <curl/curl.h>"),
        ("cli/pull.cc", "#include <curl/curl.h>"),
        ("src/embedder/embedder.cc", '#include "bgem3/no_such_header.h"'),
        ("src/embedder/open.cc", '#include "verify/checks.h"'),
        ("src/verify/verify.cc", '#include "generator/impl.h"'),
        ("src/encoder/encoder.cc", "#include <immintrin.h>"),
        ("src/tokenizer/json.cc", "#include <simdjson.h>"),
        ("src/model/model.cc", "#include <gtest/gtest.h>"),
        ("src/c_api/c_api.cc", '#include "base/file.h"'),
        ("src/c_api/c_api.cc", '#include "embedder/engine.h"'),
        ("cli/embed.cc", '#include "base/file.h"'),
        ("cli/embed.cc", "#include <nanobind/nanobind.h>"),
        ("python/texts.cc", '#include "base/file.h"'),
        ("python/texts.cc", "#include <fmt/format.h>"),
        ("include/bgem3/embedder.h", '#include "base/error.h"'),
        ("include/bgem3/embedder.h", "#include <fmt/format.h>"),
        ("include/bgem3/embedder.h", "#include <unistd.h>"),
    ],
)
def test_a_wrong_include_is_caught(path: str, source: str) -> None:
    assert list(include_errors(path, f"// A file.\n#include <vector>\n{source}\n"))


def test_right_includes_are_accepted() -> None:
    source = '#include <vector>\n#include <unistd.h>\n#include "base/error.h"\n#include "bgem3/error.h"\n'
    assert not list(include_errors("src/tokenizer/unigram.cc", source + '#include "tokenizer/trie.h"\n'))
    assert not list(include_errors("src/tokenizer/unigram_test.cc", source + "#include <gtest/gtest.h>\n"))
    assert not list(include_errors("src/embedder/embedder.cc", source + '#include "encoder/encoder.h"\n'))
    assert not list(include_errors("cli/embed.cc", '#include "output.h"\n#include <CLI/CLI.hpp>\n'))


@pytest.mark.parametrize(
    "code",
    ['std::cerr << "x";', 'printf("x");', "std::exit(1);", "abort();", 'std::getenv("HOME");', 'fmt::print("x");'],
)
def test_a_forbidden_call_is_caught(code: str) -> None:
    assert list(call_errors("src/encoder/encoder.cc", f"void f() {{ {code} }}"))


def test_words_and_allowed_calls_are_no_forbidden_calls() -> None:
    code = '// exit(1) in a comment\nconst char* s = "abort()";\nint n = snprintf(b, 3, "x"); on_exit_(2);\n'
    assert not list(call_errors("src/encoder/encoder.cc", code))
    assert not list(call_errors(ENVIRONMENT_READER, 'std::getenv("HF_HOME");'))
    assert list(call_errors("src/model/config.cc", 'std::getenv("HF_HOME");'))


def test_only_the_program_links_the_network_client() -> None:
    """src/hub, and libcurl with it, are no part of the library and of the Python module."""
    library = [file.read_text() for file in (ROOT / "src").rglob("CMakeLists.txt") if file.parent.name != "hub"]
    library += [(ROOT / "python/CMakeLists.txt").read_text()]
    assert not any("hub" in text.lower() or "curl" in text.lower() for text in library)
    assert "bgem3_hub" not in (ROOT / "CMakeLists.txt").read_text()
