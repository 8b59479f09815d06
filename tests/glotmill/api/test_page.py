"""The example of docs/python.md, run block by block in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs/python.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/python.md, block {number}", "exec"), names)

    assert names["ingested"].manifest.rejected == {"empty_target": 1}
    assert names["collection"].languages == ["eng_Latn", "swh_Latn"]
    swahili = names["swahili"]
    assert set(swahili["language"]) == {"swh_Latn"} and 80 < len(swahili) < 132  # a fifth is not for training
    assert swahili["messages"][0] == [
        {"role": "user", "content": swahili["prompt"][0]},
        {"role": "assistant", "content": swahili["target"][0]},
    ]
    assert names["tokenizer"].size == 384
    assert names["run"].complete and names["run"].step == 6
    assert {"eng_Latn", "swh_Latn"} == set(names["scores"]["language"])
    intervals = names["scores"].dropna(subset=["low"])
    assert len(intervals) and (intervals["low"] <= intervals["score"]).all()
    assert names["queries"].shape == (1, 16) and names["documents"].shape == (3, 16)
    assert np.allclose(np.linalg.norm(names["documents"], axis=1), 1, atol=1e-5)
    assert (tmp_path / "report/report.html").exists()
    assert "head" in capsys.readouterr().out.splitlines()[-1]
