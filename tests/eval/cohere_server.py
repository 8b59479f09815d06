"""A server of its own process that speaks Cohere's embed, rerank and chat, and can misbehave.

    python cohere_server.py LOG [fail=N] [slow=SECONDS] [short] [drop=N] [fail-after=N] [answer=JSON]

Prints its port. LOG gets a line a request: the path, and how many texts. `fail`: every Nth request is refused with 429;
`short`: embed leaves the last vector out; `drop`: every Nth connection is closed without an answer; `answer`: this is
the answer to everything; `fail-after`: all but the first N requests are refused for good.
"""

import itertools
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import parity_data

LOG = Path(sys.argv[1])
OPTIONS = dict(word.partition("=")[::2] for word in sys.argv[2:])
COUNT = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = next(COUNT)
        if number % int(OPTIONS.get("fail", 10**9)) == 0:
            return self._answer(429, {"message": "slow down"}, {"Retry-After": "0"})
        if number % int(OPTIONS.get("drop", 10**9)) == 0:
            self.close_connection = True
            return None
        if number > int(OPTIONS.get("fail-after", 10**9)):
            return self._answer(400, {"message": "no credit is left"})
        time.sleep(float(OPTIONS.get("slow", 0)))
        texts = body.get("texts") or body.get("documents") or [body["messages"][0]["content"]]
        with LOG.open("a", encoding="utf-8") as log:
            log.write(json.dumps([self.path, len(texts), texts[0]]) + "\n")
        if "answer" in OPTIONS:
            return self._answer(200, json.loads(OPTIONS["answer"]))
        if len(texts) > 96 and "embed" in self.path:
            message = f"total number of texts must be at most 96 - received {len(texts)}"
            return self._answer(400, {"message": message})
        if "unknown" in body["model"]:
            return self._answer(404, {"message": f"model {body['model']} not found"})
        return self._answer(200, getattr(self, "_" + self.path.rpartition("/")[2])(body, texts))

    def _embed(self, body, texts):
        vectors = [[float(value) * 2 for value in parity_data.vector(text)] for text in texts]
        vectors = vectors[:-1] if "short" in OPTIONS else vectors
        meta = {"api_version": {"version": "2"}}
        return {
            "id": "1",
            "texts": texts,
            "embeddings": {"float": vectors},
            "meta": meta,
            "response_type": "embeddings_by_type",
        }

    def _rerank(self, body, documents):
        query = parity_data.vector(body["query"])
        scores = [(float(parity_data.vector(text) @ query) + 1) / 2 for text in documents]
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        return {"id": "1", "results": [{"index": place, "relevance_score": scores[place]} for place in order]}

    def _chat(self, body, texts):
        content = [{"type": "text", "text": f"echo {texts[0]}"}]
        return {"id": "1", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": content}}

    def _answer(self, status, value, headers=()):
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in dict(headers).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
