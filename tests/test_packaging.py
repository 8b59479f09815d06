"""What an installation holds: every module and table of the packages, one command, no tests."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names in the wheel, which is built without a network from a copy that git would give."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if listed.returncode:
        pytest.skip("this is no checkout of the repository")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", build, out], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("glotmill-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_holds_the_templates_the_stylesheet_and_the_script(wheel):
    shared = {f"core/html/templates/{name}" for name in ("layout.html.j2", "parts.html.j2", "style.css", "table.js")}
    pages = ("collection/stats_page", "tokenizer/report_page", "eval/report/report_page", "eval/report/comparison_page")
    assert shared | {f"{page}.html.j2" for page in pages} <= wheel.keys()


def test_a_wheel_holds_every_module_and_table(wheel):
    packages = {name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".tsv", ".toml", ".j2", ".css", ".js")
    }
    assert len(files) > 50 and {name: wheel.get(name) for name in files} == files


def test_a_wheel_holds_nothing_else_but_its_own_notes(wheel):
    tops = {name.split("/")[0] for name in wheel}
    notes = {top for top in tops if top.endswith(".dist-info")}
    assert len(notes) == 1 and tops - notes == {
        "core",
        "glotmill",
        "collection",
        "pipelines",
        "tokenizer",
        "finetune",
        "eval",
    }
    (note,) = notes
    assert b"glotmill = glotmill.cli.main:main" in wheel[f"{note}/entry_points.txt"]
    assert any("LICENSE" in name for name in wheel)


def test_the_image_of_dataflows_workers_has_all_packages_and_the_same_beam():
    image = (ROOT / "deploy/dataflow/Dockerfile").read_text("utf-8")
    locked = re.search(r"^apache-beam==(.+)$", (ROOT / "requirements.lock").read_text("utf-8"), re.M)[1]
    assert f"FROM apache/beam_python3.11_sdk:{locked}\n" in image
    packages = [name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
    assert [name for name in packages if f"COPY {name} /opt/glotmill/{name}\n" not in image] == []


def test_the_lock_pins_every_dependency_and_names_no_place():
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    assert all("==" in line and "://" not in line and "--" not in line for line in lines if line.strip())
    wanted = [*PROJECT["project"]["dependencies"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        wanted += extra
    for requirement in wanted:
        name = requirement.split(";")[0].split("[")[0].strip()
        for sign in "<>=!~ ":
            name = name.split(sign)[0]
        assert name.lower().replace("_", "-") in pinned | {"glotmill"}, name
