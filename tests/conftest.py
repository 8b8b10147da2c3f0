"""`pytest --update` rewrites the golden files of tests/cases."""

import dataclasses
from pathlib import Path

import pytest

import symdiff
from symdiff.errors import CompilerError
from symdiff.options import CompilerOptions
from tests.helpers_c import DOUBTFUL, STRICT


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
    return CompilerOptions(flags=STRICT, cache=str(folder))


@pytest.fixture(scope="session")
def quick(cc: CompilerOptions) -> symdiff.Options:
    """C, compiled fast."""
    flags = (*STRICT, *DOUBTFUL, "-O1")
    return symdiff.Options(target="c", compiler=dataclasses.replace(cc, flags=flags))
