"""What stands before the API: how large a request may be and how soon, what every answer says."""

import asyncio
from collections.abc import Mapping
import json

# A recording of a minute in CD quality, or a code of thousands of numbers, is less.
MAX_BYTES = 16_000_000
BODY_TIMEOUT_S = 10.0
# Of a body that is too large, read and dropped: a client that is still sending when the connection
# is closed would never see the answer.
DROP_BYTES = 256_000_000


class _RefusedError(Exception):
  pass


class Limits:
  """ASGI middleware: 413 for a body that is too large, 408 for one that does not come.

  What is too large is read and dropped before the answer, up to `DROP_BYTES`.

  Args:
    app: that it stands before.
    max_bytes: of a body.
    timeout_s: for all of a body.
  """

  def __init__(self, app, max_bytes: int = MAX_BYTES, timeout_s: float = BODY_TIMEOUT_S):
    self.app = app
    self.max_bytes = max_bytes
    self.timeout_s = timeout_s

  async def __call__(self, scope, receive, send):
    if scope["type"] != "http":
      await self.app(scope, receive, send)
      return
    try:
      body = await self._read(scope, receive)
    except _RefusedError as e:
      status, reason = e.args
      await _answer(send, status, reason)
      return
    if body is None:  # The client has gone.
      return
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay():
      return messages.pop() if messages else await receive()

    await self.app(scope, replay, send)

  async def _read(self, scope, receive):
    too_large = _RefusedError(413, f"a request may have {self.max_bytes} bytes")
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    announced = int(length[:18]) if length.isdigit() else 0
    # Who says so sends nothing before he is answered.
    waits = headers.get(b"expect", b"").lower() == b"100-continue"
    if announced > (self.max_bytes if waits else DROP_BYTES):
      raise too_large
    chunks, size = [], 0
    deadline = asyncio.get_running_loop().time() + self.timeout_s
    while True:
      left = deadline - asyncio.get_running_loop().time()
      try:
        message = await asyncio.wait_for(receive(), max(left, 0.0))
      except TimeoutError:
        if max(announced, size) > self.max_bytes:
          raise too_large from None
        raise _RefusedError(408, f"the request was not there after {self.timeout_s:g} s") from None
      if message["type"] == "http.disconnect":
        return None
      chunk = message.get("body", b"")
      size += len(chunk)
      if size <= self.max_bytes:
        chunks.append(chunk)
      else:
        chunks.clear()
      if not message.get("more_body"):
        if size > self.max_bytes:
          raise too_large
        return b"".join(chunks)
      if size > DROP_BYTES:
        raise too_large


class Headers:
  """ASGI middleware: headers that every answer has, unless it says otherwise itself.

  Args:
    app: that it stands before.
    headers: by name.
  """

  def __init__(self, app, headers: Mapping[str, str]):
    self.app = app
    self.headers = {name.lower().encode(): value.encode() for name, value in headers.items()}

  async def __call__(self, scope, receive, send):
    async def send_with_headers(message):
      if message["type"] == "http.response.start":
        given = list(message.get("headers", []))
        names = {name.lower() for name, _ in given}
        given += [(n, v) for n, v in self.headers.items() if n not in names]
        message = {**message, "headers": given}
      await send(message)

    await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


async def _answer(send, status, reason):
  body = json.dumps({"detail": reason}).encode()
  headers = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(body)).encode()),
    (b"connection", b"close"),
  ]
  await send({"type": "http.response.start", "status": status, "headers": headers})
  await send({"type": "http.response.body", "body": body})
