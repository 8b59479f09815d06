"""A server that answers chats as Cohere's v2 and as OpenAI's API do, counts what it is asked, and misbehaves on demand.

Run as a process of its own: `python tests/teacher.py`. It prints its port, and ends with its standard input.

POST /v2/chat, POST /v1/chat/completions   a chat; POST /echo   the JSON that came, back
POST /behave     {"reset": true, "latency": s, "faults": [...], "one_in": n, "hang": s, "answers": {text: answer}, "key": "..."}
GET /counts      {"requests": n, "answered": n, "by_content": {last user turn: n}, "peak": n, "starts": [...]}

A fault strikes the first request with each n-th content; the second is answered. `always:FAULT` strikes every time.
Faults: 429, 429-seconds, 429-date, 500, 503, hang, cut, cut-chunked, garbage, no-json, empty-json, nonsense, 400, echo-key.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import sys
import threading
import time
import zlib
from collections import Counter
from typing import Any

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class State:
    def __init__(self) -> None:
        self.behaviour: dict[str, Any] = {}
        self.by_content: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.now = self.peak = self.requests = 0
        self.starts: list[float] = []


STATE = State()


def answer_to(content: str) -> str:
    """What the teacher says: the answer given for a text that stands in the question, or some English about it."""
    for text, answer in STATE.behaviour.get("answers", {}).items():
        if text in content:
            return str(answer)
    number = zlib.crc32(content.encode())
    return (
        f"Here is a patient answer, number {number}: first look at what was asked, then at what is known about it, "
        "and only then say what follows from both, in whole sentences that anybody can understand."
    )


def fault_of(content: str) -> str:
    faults, one_in = STATE.behaviour.get("faults", []), STATE.behaviour.get("one_in", 1)
    number = zlib.crc32(content.encode()) // 7
    if not faults or number % one_in:
        return ""
    fault = faults[number // one_in % len(faults)]
    kind, _, always = fault.partition(":")
    if kind == "always":
        return always
    return fault if STATE.by_content[content] == 1 else ""


def cohere_answer(body: dict[str, Any], text: str) -> dict[str, Any]:
    tokens = {"input_tokens": 10.0, "output_tokens": 20.0}
    return {
        "id": "c14c80c3-18eb-4519-9460-6c92edd8cfb4",
        "finish_reason": STATE.behaviour.get("finish_reason", "COMPLETE"),
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "let me see"}, {"type": "text", "text": text}],
        },
        "usage": {"billed_units": tokens, "tokens": {"input_tokens": 70.0, "output_tokens": 21.0}},
    }


def openai_answer(body: dict[str, Any], text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": f"{body['model']}-0613",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": STATE.behaviour.get("finish_reason", "stop"),
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
    }


def head(status: int, length: int | None, more: str = "") -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json\r\n{size}\r\n{more}\r\n".encode()


def whole(status: int, value: Any, more: str = "") -> bytes:
    body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return head(status, len(body), more) + body


async def chat(path: str, body: dict[str, Any], headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
    """Answers a chat; whether the connection can go on."""
    content = next(turn["content"] for turn in reversed(body["messages"]) if turn["role"] == "user")
    STATE.by_content[content] += 1
    STATE.requests += 1
    STATE.starts.append(time.time())
    key = STATE.behaviour.get("key")
    if key and headers.get("authorization") != f"Bearer {key}":
        writer.write(whole(401, {"message": f"invalid api token {headers.get('authorization')}"}))
        return True
    fault = fault_of(content)
    if fault == "hang":
        await asyncio.sleep(STATE.behaviour.get("hang", 20))
        return False
    await asyncio.sleep(STATE.behaviour.get("latency", 0))
    text = answer_to(content)
    if fault == "echo-key":
        text += f" You sent {headers.get('authorization')}."
    value = cohere_answer(body, text) if path == "/v2/chat" else openai_answer(body, text)
    sound = json.dumps(value, ensure_ascii=False).encode()
    if fault.startswith("429"):
        asked = STATE.behaviour.get("retry_after", 1)
        more = {
            "429-seconds": f"retry-after: {asked}\r\n",
            "429-date": f"retry-after: {email.utils.formatdate(time.time() + asked, usegmt=True)}\r\n",
        }.get(fault, "")
        writer.write(whole(429, {"message": "slow down"}, more))
    elif fault in ("400", "500", "503"):
        writer.write(whole(int(fault), {"message": f"cannot: {headers.get('authorization')}"}))
    elif fault == "cut":
        writer.write(head(200, len(sound)) + sound[: len(sound) // 2])
        return False
    elif fault == "cut-chunked":
        writer.write(head(200, None) + f"{len(sound):x}\r\n".encode() + sound[: len(sound) // 2])
        return False
    elif fault == "garbage":
        writer.write(b"\x00\xffnot http at all\r\n\r\n")
        return False
    elif fault in ("no-json", "empty-json", "nonsense"):
        writer.write(whole(200, {"no-json": b'{"id": "half', "empty-json": b"{}", "nonsense": b"[\xff\xfe]"}[fault]))
    else:
        STATE.answered[content] += 1
        writer.write(whole(200, sound))
    return True


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            method, path, _ = line.decode().split(" ", 2)
            headers = {}
            while (raw := await reader.readline()).strip():
                name, _, value = raw.decode().partition(":")
                headers[name.strip().lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            values = json.loads(body) if body else {}
            go_on = True
            if path in ("/v2/chat", "/v1/chat/completions"):
                STATE.now += 1
                STATE.peak = max(STATE.peak, STATE.now)
                try:
                    go_on = await chat(path, values, headers, writer)
                finally:
                    STATE.now -= 1
            elif path == "/echo":
                writer.write(whole(200, values))
            elif path == "/behave":
                STATE.behaviour = values
                if values.pop("reset", False):
                    STATE.by_content.clear()
                    STATE.answered.clear()
                    STATE.starts.clear()
                    STATE.requests = STATE.peak = 0
                writer.write(whole(200, {}))
            elif path == "/counts" and method == "GET":
                counts = {"requests": STATE.requests, "by_content": STATE.by_content, "answered": STATE.answered}
                writer.write(whole(200, {**counts, "peak": STATE.peak, "starts": STATE.starts}))
            else:
                writer.write(whole(404, {"message": f"no {path} here"}))
            await writer.drain()
            if not go_on:
                break
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def until_input_ends(loop: asyncio.AbstractEventLoop) -> None:
    sys.stdin.read()
    loop.call_soon_threadsafe(loop.stop)


def main() -> None:
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=until_input_ends, args=(loop,), daemon=True).start()
    loop.run_forever()


if __name__ == "__main__":
    main()
