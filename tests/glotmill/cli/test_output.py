"""What becomes of a command's errors: one line, and a status."""

import sys

import pytest

from glotmill.cli.output import guarded


def ends(capsys, command):
    """The status of a command, and what it says on stderr."""
    with pytest.raises(SystemExit) as ended:
        guarded(command)(debug=False)
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("jax", "train"),
        ("orbax.checkpoint", "train"),
        ("tensorboardX", "train"),
        ("tomli_w", "train"),
        ("sklearn", "eval"),
    ],
)
def test_what_a_command_lacks_names_the_extra_that_brings_it(monkeypatch, capsys, module, extra):
    package = module.partition(".")[0]
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)  # what Python takes for a module that is not there
    status, told = ends(capsys, lambda debug: __import__(module))
    assert status == 2
    assert told == (
        f"error: this command needs the package '{package}', which is not installed: pip install 'glotmill[{extra}]'\n"
    )


def test_a_module_of_ours_that_is_missing_is_a_bug(capsys):
    status, told = ends(capsys, lambda debug: __import__("finetune.nothing"))
    assert status == 1 and told.startswith("bug: ModuleNotFoundError: No module named 'finetune.nothing'")
