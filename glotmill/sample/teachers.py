"""Write the inputs of `synthesize`: curt answers, recorded better answers of three teachers, and a method.

The project wrote the teachers' answers. The hasty teacher makes mistakes that models make.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from collection.languages import resolve
from glotmill.sample.files import chat, read_table, write_chats, write_lines

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
    rows = read_table("teachers.tsv")
    chats = [
        chat(f"curt_{number}", resolve(row["language"]).tag, [(row["prompt"], row["answer"])])
        for number, row in enumerate(rows)
    ]
    paths = {"curt": folder / "curt.json", "patiently": folder / "patiently.toml"}
    write_chats(paths["curt"], chats)
    paths["patiently"].write_text(_METHOD, "utf-8")
    for teacher in TEACHERS:
        paths[teacher] = folder / f"{teacher}.jsonl"
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
        write_lines(paths[teacher], lines)
    return paths
