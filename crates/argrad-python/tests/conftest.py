"""Fixtures of the tests of tensors on a card."""

import pytest

import argrad
from argrad import _options


@pytest.fixture
def card():
    """Within the test, tensors on the CPU are taken for tensors on a card."""
    from argrad.torch import _device

    try:
        with _device.use_host_kernels():
            yield
    except argrad.DeviceError as error:
        pytest.skip(str(error))


@pytest.fixture
def fresh_warnings(monkeypatch):
    """Nothing was warned of yet."""
    monkeypatch.setattr(_options, "_warned", set())


@pytest.fixture
def no_host(monkeypatch):
    """No batch is solved the CPU's way."""
    from argrad.torch import _call, _device

    def refuse(*_):
        raise AssertionError("an argument was copied to the host")

    monkeypatch.setattr(_call.Call, "solve", refuse)
    monkeypatch.setattr(_device, "fall_back", refuse)
