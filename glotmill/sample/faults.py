"""Make rows and files that are deliberately bad: at least one for every reason to reject a row."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any, Final

_LONG: Final = " ".join(
    f"Sentence number {number} says something that no other sentence says." for number in range(1200)
)

# Rows of xP3x. Each is in the folder of the language that it names, or in `folder` if given.
XP3X_ROWS: Final[list[dict[str, Any]]] = [
    {"inputs": "Is this row complete?", "language": "eng_Latn"},  # missing_field
    {
        "inputs": "In which language is this?",
        "targets": "Nobody knows.",
        "language": "zzz_Zzzz",
        "folder": "misc",
    },  # unknown_language
    {"inputs": "  ", "targets": "An answer without a question.", "language": "eng_Latn"},  # empty_prompt
    {"inputs": "A question without an answer?", "targets": " ", "language": "eng_Latn"},  # empty_target
    {"inputs": "What comes after the last word?", "targets": "…!", "language": "eng_Latn"},  # trivial_target
    {
        "inputs": "Say this again: hello there.",
        "targets": "Say this again: hello there.",
        "language": "eng_Latn",
    },  # target_copies_prompt
    {"inputs": "a?", "targets": "b", "language": "eng_Latn"},  # too_short
    {"inputs": "Write on and on.", "targets": _LONG, "language": "eng_Latn"},  # too_long
    {
        "inputs": "What does the old page say?",
        "targets": "It says \ufffd\ufffd\ufffd and \ufffd\ufffd.",
        "language": "eng_Latn",
    },  # damaged_text
    {"inputs": "Tell me about the sea.", "targets": "the sea is big and " * 20, "language": "eng_Latn"},  # repetition
    {
        "inputs": "Where can I read more?",
        "targets": "See https://example.org/a/very/long/path/to/a/page",
        "language": "eng_Latn",
    },  # mostly_urls
    {
        "inputs": "Make a table.",
        "targets": "<table><tr><td>1</td><td>2</td></tr></table>",
        "language": "eng_Latn",
    },  # mostly_markup
    # wrong_language: English under Swahili
    {
        "inputs": "Eleza mvua ni nini.",
        "targets": "Rain is water that falls from the clouds when the air can hold no more of it.",
        "language": "swh_Latn",
    },
    # wrong_script: Amharic is written in Ethiopic letters
    {"inputs": "Write the word for peace in Amharic.", "targets": "selam", "language": "amh_Ethi"},
    # unwanted_language: a good row, but not in one of Aya's 101 languages
    {
        "inputs": "What is the word for water in Kinyarwanda?",
        "targets": "Amazi ni ijambo rivuga icyo abantu banywa buri munsi.",
        "language": "kin_Latn",
    },
]

LEAKED_QUESTION: Final = "Which planet of our solar system has the shortest day of them all?"

CHATS: Final[list[dict[str, Any]]] = [
    {"id": "fault_0", "conversations": []},  # no_turns
    {"id": "fault_1", "conversations": [{"from": "human", "value": "Is anybody there?"}]},  # no_answer
    {
        "id": "fault_2",
        "conversations": [{"from": "human", "value": "Who speaks?"}, {"from": "narrator", "value": "I do."}],
    },  # unknown_role
    # undetected_language
    {
        "id": "fault_3",
        "conversations": [
            {"from": "human", "value": "3 * 4 = ? 5 * 6 = ?"},
            {"from": "gpt", "value": "3 * 4 = 12, 5 * 6 = 30"},
        ],
    },
    # repaired, not rejected: begins with an answer, asks twice in a row, ends with a question
    {
        "id": "mended_0",
        "conversations": [
            {"from": "gpt", "value": "As I was saying before, it depends on the weather."},
            {"from": "human", "value": "What should I wear when it rains?"},
            {"from": "human", "value": "I have to walk to work."},
            {
                "from": "chatgpt",
                "value": "Take a rain coat and waterproof shoes, and keep a dry pair of socks in your bag.",
            },
            {"from": "human", "value": "Anything else?"},
        ],
    },
    # near duplicates: the second is the first with one word changed
    *(
        {
            "id": f"near_duplicate_{number}",
            "conversations": [
                {"from": "human", "value": "Why do we see the lightning before we hear the thunder?"},
                {
                    "from": "gpt",
                    "value": "Both begin at the same moment, but light travels so fast that it reaches your eyes at "
                    f"once, while sound needs about three seconds for every kilometre. So count the {unit} between "
                    "the two, divide them by three, and you know how many kilometres away the storm is. When the time "
                    "between them grows shorter, the storm is coming closer, and it is wise to go inside.",
                },
            ],
        }
        for number, unit in enumerate(("seconds", "moments"))
    ),
    # contaminated: asks what the sample's evaluation set asks
    {
        "id": "leak_0",
        "conversations": [
            {"from": "human", "value": f"A question for you: {LEAKED_QUESTION}"},
            {"from": "gpt", "value": "Jupiter: it turns around itself in less than ten hours."},
        ],
    },
    # masked
    {
        "id": "masked_0",
        "conversations": [
            {
                "from": "human",
                "value": "I am jane.doe@example.org, my number is +44 20 7946 0958. Write to the landlord.",
            },
            {
                "from": "gpt",
                "value": "Dear landlord, please write to jane.doe@example.org or call +44 20 7946 0958. Jane",
            },
        ],
    },
    # text decoded with the wrong encoding, which clean-up repairs
    {
        "id": "mojibake_0",
        "conversations": [
            {"from": "human", "value": "Comment dit-on Â« bonjour Â» aux Ã©lÃ¨ves ?"},
            {"from": "gpt", "value": "On dit simplement bonjour Ã  tous les Ã©lÃ¨ves de la classe, et on sourit."},
        ],
    },
]


def write_bad_files(folder: Path) -> None:
    """Write files of xP3x that are truncated, missing, or hold lines that are not rows."""
    english = folder / "eng_Latn"
    english.mkdir(parents=True, exist_ok=True)
    row = {
        "inputs": "How many legs does a spider have?",
        "targets": "A spider has eight legs.",
        "language": "eng_Latn",
        "split": "train",
    }
    good = json.dumps({**row, "template": "damaged_file", "dataset": "faults", "config": "en"})
    cut = gzip.compress(
        ("\n".join([good, *(good.replace("spider", f"spider of kind {n}") for n in range(400))])).encode(), mtime=0
    )
    (english / "xp3_faults_cut_train_damaged_file.jsonl.gz").write_bytes(cut[: len(cut) // 2])  # truncated_file
    lines = [
        good.encode(),
        '{"inputs": "Сколько ног у паука?", "targets": "Восемь ног.", "language": "rus_Cyrl"}'.encode(
            "windows-1251"
        ),  # invalid_encoding
        b'{"inputs": "Where does this line end?", "targets": "In the mid',  # invalid_json
        b'"a string, no row"',  # not_a_row
    ]
    (english / "xp3_faults_lines_train_damaged_lines.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    gone = english / "xp3_faults_gone_train_missing_file.jsonl"  # unreadable_file
    gone.unlink(missing_ok=True)
    os.symlink("a-file-that-is-not-there.jsonl", gone)
