"""ASGI middleware of the API: limits on request bodies, and headers of every response."""

import asyncio
from collections.abc import Mapping
import json

# More than a minute of CD-quality audio, or a code of thousands of numbers.
MAX_BYTES = 16_000_000
BODY_TIMEOUT_S = 10.0
# A body that is too large is read and discarded up to this size: a client that is still sending
# when the connection closes would not receive the response.
DROP_BYTES = 256_000_000


class _RefusedError(Exception):
  pass


class Limits:
  """ASGI middleware: responds 413 to a body that is too large, 408 to one that times out.

  A body that is too large is read and discarded before the response, up to `DROP_BYTES`.

  Args:
    app: the wrapped application.
    max_bytes: largest accepted body.
    timeout_s: time within which the whole body must arrive.
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
      await _respond(send, status, reason)
      return
    if body is None:  # The client has disconnected.
      return
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay():
      return messages.pop() if messages else await receive()

    await self.app(scope, replay, send)

  async def _read(self, scope, receive):
    too_large = _RefusedError(413, f"the request is larger than {self.max_bytes} bytes")
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    declared_size = int(length[:18]) if length.isdigit() else 0
    # A client that expects 100-continue sends no body before the response.
    expects_continue = headers.get(b"expect", b"").lower() == b"100-continue"
    if declared_size > (self.max_bytes if expects_continue else DROP_BYTES):
      raise too_large
    chunks, size = [], 0
    deadline = asyncio.get_running_loop().time() + self.timeout_s
    while True:
      remaining_s = deadline - asyncio.get_running_loop().time()
      try:
        message = await asyncio.wait_for(receive(), max(remaining_s, 0.0))
      except TimeoutError:
        if max(declared_size, size) > self.max_bytes:
          raise too_large from None
        raise _RefusedError(
          408, f"the request body did not arrive within {self.timeout_s:g} s"
        ) from None
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
  """ASGI middleware: default headers, added to every response that does not set them itself.

  Args:
    app: the wrapped application.
    headers: values by name.
  """

  def __init__(self, app, headers: Mapping[str, str]):
    self.app = app
    self.headers = {name.lower().encode(): value.encode() for name, value in headers.items()}

  async def __call__(self, scope, receive, send):
    async def send_with_headers(message):
      if message["type"] == "http.response.start":
        response_headers = list(message.get("headers", []))
        names = {name.lower() for name, _ in response_headers}
        response_headers += [(n, v) for n, v in self.headers.items() if n not in names]
        message = {**message, "headers": response_headers}
      await send(message)

    await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


async def _respond(send, status, reason):
  body = json.dumps({"detail": reason}).encode()
  headers = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(body)).encode()),
    (b"connection", b"close"),
  ]
  await send({"type": "http.response.start", "status": status, "headers": headers})
  await send({"type": "http.response.body", "body": body})
