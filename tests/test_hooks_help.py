"""What the console commands say of themselves."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hooks.cli import store


@pytest.mark.parametrize("command", sorted(store.commands))
def test_help_shows_an_example_on_a_line_of_its_own(command):
    shown = CliRunner().invoke(store, [command, "--help"]).output
    assert "\\b" not in shown
    assert f"Example:\n    ppp-store {command} " in shown
