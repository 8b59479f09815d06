"""Write the inputs of `synthesize`: curt answers, recorded better answers of three teachers, and a method.

The project wrote the teachers' answers. The hasty teacher makes mistakes that models make.
"""

from __future__ import annotations

import csv
import json
from importlib import resources
from pathlib import Path
from typing import Final

from collection.languages import resolve

TEACHERS: Final = ("patient", "plain", "hasty")
_ASK: Final = "Say it patiently and completely: {prompt}"
_METHOD: Final = f"""# A method of one's own: three teachers better a curt answer, the one most like the others is kept.
base = "rewrite"
about = "several generators make a curt answer patient, the best is kept"
prompt = "{_ASK}"
parser = "whole"
several = true

[select]
links = false
"""


def write_teachers(folder: Path) -> dict[str, Path]:
    """Write the curt chats, the method and the answers of each teacher, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    text = resources.files("glotmill.sample").joinpath("teachers.tsv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    chats = [
        {
            "id": f"curt_{number}",
            "lang": resolve(row["language"]).tag,
            "conversations": [{"from": "human", "value": row["prompt"]}, {"from": "gpt", "value": row["answer"]}],
        }
        for number, row in enumerate(rows)
    ]
    places = {"curt": folder / "curt.json", "patiently": folder / "patiently.toml"}
    places["curt"].write_text(json.dumps(chats, ensure_ascii=False, indent=1), "utf-8")
    places["patiently"].write_text(_METHOD, "utf-8")
    for teacher in TEACHERS:
        places[teacher] = folder / f"{teacher}.jsonl"
        lines = [
            {
                "prompt": _ASK.format(prompt=row["prompt"]),
                "text": row[teacher],
                "finish_reason": row["end"] if teacher == "hasty" else "complete",
                "model": f"{teacher}-teacher-1",
            }
            for row in rows
            if row[teacher]
        ]
        places[teacher].write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return places
