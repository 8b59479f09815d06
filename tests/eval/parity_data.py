"""Items and vectors that are the same everywhere: what mteb and lm-eval are given, too (benchmarks/metric_parity.py)."""

from __future__ import annotations

import hashlib

import numpy as np

WIDTH = 32
LABELS = ("sport", "сияние", "健康", "علوم", "ดนตรี")


def noise(text: str) -> np.ndarray:
    """Of a text, and of nothing else."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=WIDTH)


def vector(text: str) -> np.ndarray:
    """What stands before `|` is what a text means, what is behind it is how it is said. Unit length, float32."""
    meaning, _, _ = text.partition("|")
    much = 2.4 if meaning in LABELS else 1.7 if meaning.startswith("d") else 0.95
    mixed = noise(meaning) + much * noise(text)
    return (mixed / np.linalg.norm(mixed)).astype(np.float32)


class Meaning:
    """An embedder of such texts."""

    dimensions = (8, 16, WIDTH)

    def embed(self, texts, kind):
        return np.array([vector(text) for text in texts], np.float32).reshape(len(texts), WIDTH)

    def ranges(self, dimension):
        return None


def bitext(count: int = 150) -> list[dict[str, str]]:
    return [{"source": f"m{n}|swh", "target": f"m{n}|eng"} for n in range(count)]


def questions(count: int = 60, documents: int = 40) -> list[dict[str, str]]:
    return [
        {"id": f"q{n}", "question": f"d{n % documents}|question {n}", "context": f"d{n % documents}|passage"}
        for n in range(count)
    ]


def labelled(count: int, name: str) -> list[dict[str, str]]:
    return [{"text": f"{LABELS[(n * n) % 5]}|{name} {n}", "label": LABELS[(n * n) % 5]} for n in range(count)]


def pairs(count: int = 80) -> list[dict[str, object]]:
    """Every fourth pair is of identical sentences, whose cosines are 1 but for rounding."""
    return [
        {
            "first": f"s{n}|a",
            "second": f"s{n if n % 3 else n + 1}|{'a' if n % 4 == 0 else 'b'}",
            "score": (6 if n % 3 else 2) + n % 4,
        }
        for n in range(count)
    ]


def choices(count: int = 200) -> list[dict[str, object]]:
    """Questions with the log probability of each of three answers."""
    rows = []
    for n in range(count):
        values = noise(f"choice {n}")[:3] * 4 - 10
        rows.append(
            {
                "question": f"Swali la {n}: ni ipi? 問{n}",
                "options": [f"jibu {n}", f"答え{n}の長いほう", "ج" * (1 + n % 7)],
                "answer": int(np.argmax(values + noise(f"bias {n}")[:3] * 3)),
                "values": [float(value) for value in values],
            }
        )
    return rows


def translations(count: int = 60) -> list[dict[str, str]]:
    words = "habari ya asubuhi rafiki yangu leo ni siku njema sana katika mji wetu".split()
    rows = []
    for n in range(count):
        chosen = [words[int(abs(value) * 1e6) % len(words)] for value in noise(f"t {n}")[: 6 + n % 9]]
        changed = [word if (n + place) % 4 else "नमस्ते" for place, word in enumerate(chosen)]
        rows.append({"answer": " ".join(changed) + ".", "reference": " ".join(chosen) + "."})
    return rows
