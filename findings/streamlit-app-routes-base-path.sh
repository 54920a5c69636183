#!/usr/bin/env bash
# Streamlit 1.67.0: st.App does not put the routes it is given under server.baseUrlPath, where all of its own are. Below
# the path a GET of such a route answers 200 with a page's HTML and a POST 405; the route stays at the root of the server,
# which a proxy for that path does not reach. Exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check streamlit==1.67.0

cat >"$work/app.py" <<'PY'
import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def answer(request):
    return PlainTextResponse("the route")


app = st.App("page.py", routes=[Route("/api/answer", answer, methods=["GET", "POST"])])
PY
echo 'import streamlit as st; st.write("a page")' >"$work/page.py"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$work"
venv/bin/streamlit run app.py --server.port "$port" --server.address 127.0.0.1 --server.headless true \
  --browser.gatherUsageStats false --server.baseUrlPath below >log 2>&1 &
server=$!
cat >ask.py <<'PY'
import sys
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

root = sys.argv[1]
for _ in range(240):
    try:
        urlopen(f"{root}/below/_stcore/health")
        break
    except OSError:
        time.sleep(0.25)


def ask(method, path):
    try:
        with urlopen(Request(root + path, method=method)) as response:
            return response.status, response.headers.get_content_type()
    except HTTPError as e:
        return e.code, ""


found = {(method, path): ask(method, path) for method in ("GET", "POST") for path in ("/below/api/answer", "/api/answer")}
for (method, path), (status, kind) in found.items():
    print(method, path, status, kind)
assert found["GET", "/below/api/answer"] == (200, "text/html")
assert found["POST", "/below/api/answer"][0] == 405
assert found["GET", "/api/answer"] == found["POST", "/api/answer"] == (200, "text/plain")
PY
venv/bin/streamlit version
venv/bin/python ask.py "http://127.0.0.1:$port"
