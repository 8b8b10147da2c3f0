"""`pytest --update` rewrites the golden files of tests/cases."""

import dataclasses
from pathlib import Path

import pytest

import symdiff
from symdiff.errors import CompilerError
from symdiff.options import CompilerOptions


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the golden files")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--update")


@pytest.fixture(scope="session")
def cc(tmp_path_factory: pytest.TempPathFactory) -> CompilerOptions:
    """A C compiler that accepts no dubious line, and a cache of the session's own."""
    from symdiff.runtime.toolchain import find_compiler, include_folders

    try:
        find_compiler(CompilerOptions())
        include_folders()
    except CompilerError as error:
        pytest.skip(f"C cannot be compiled here: {error.message}")
    folder: Path = tmp_path_factory.mktemp("compiled")
    strict = ("-Wall", "-Wextra", "-Werror", "-pedantic")
    return CompilerOptions(flags=strict, cache=str(folder))


@pytest.fixture(scope="session")
def quick(cc: CompilerOptions) -> symdiff.Options:
    """C, compiled fast."""
    # gcc takes it that any loop may have no rounds, so that what it fills may not be filled.
    flags = (*cc.flags, "-O1", "-Wno-maybe-uninitialized", "-Wno-stringop-overflow")
    return symdiff.Options(target="c", compiler=dataclasses.replace(cc, flags=flags))
