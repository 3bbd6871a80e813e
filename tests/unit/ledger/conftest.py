"""A key, and a chain of 102 blocks that pays it: mined once, copied for each test."""

from __future__ import annotations

import shutil
from contextlib import closing

import pytest

from etdb.flo import REGTEST, PrivateKey
from etdb.ledger import Limits, LocalChain, Wallet

KEY = PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(REGTEST)


@pytest.fixture(scope="session")
def mined_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mined") / "chain"
    with closing(LocalChain(folder, writable=True)) as chain:
        chain.mine(104, ADDRESS)
    return folder


@pytest.fixture
def folder(mined_folder, tmp_path):
    return shutil.copytree(mined_folder, tmp_path / "chain")


@pytest.fixture
def chain(folder):
    with closing(LocalChain(folder, writable=True)) as chain:
        yield chain


@pytest.fixture
def wallet(chain):
    return Wallet(KEY, REGTEST, Limits(), chain.coins(ADDRESS))


@pytest.fixture
def key():
    return KEY


@pytest.fixture
def address():
    return ADDRESS
