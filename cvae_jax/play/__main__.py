"""Opens an instrument in the browser: plays a trained run with keys, a latent map and sliders.

python -m cvae_jax.play --workdir=runs/cvae
"""

import logging
import os
import socket
import sys
import threading
import webbrowser

from cvae_jax.core import cli
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import run_flags

_log = logging.getLogger("cvae_jax.play")

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _bind(host: str, port: int) -> socket.socket:
  """A socket bound to an address; port 0 selects any free port.

  Raises:
    UserError: if the address cannot be bound.
  """
  try:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound
  except (OSError, OverflowError) as e:
    raise errors.UserError(
      f"cannot listen on {host}:{port} ({e}): choose another --port, or 0 for any free port"
    ) from None


def main(argv: list[str] | None = None) -> None:
  """Serves until interrupted."""
  parser = cli.Parser(prog="python -m cvae_jax.play", description=__doc__)
  run_flags.add_run(parser)
  parser.add_argument(
    "--host", default="127.0.0.1", help="address (default 127.0.0.1: this machine only)"
  )
  parser.add_argument(
    "--port",
    type=flag_types.whole(0, 65_535),
    default=8765,
    help="0 for any free port (default 8765)",
  )
  parser.add_argument("--no-browser", action="store_true", help="do not open the page")
  args = parser.parse_args(argv)
  bound = _bind(args.host, args.port)

  import uvicorn

  from cvae_jax.play import api
  from cvae_jax.play import player as player_lib

  player = player_lib.Player(run_flags.load_run(args), args.workdir)
  hosts = [*_LOOPBACK[:2], "[::1]"] if args.host in _LOOPBACK else None
  app = api.make_app(player, hosts)
  threading.Thread(target=player.warm_up, daemon=True).start()
  address = f"[{args.host}]" if ":" in args.host else args.host
  url = f"http://{address}:{bound.getsockname()[1]}/"
  if args.host not in _LOOPBACK:
    _log.info("listening on %s: any machine on the network can connect", args.host)
  _log.info("%s (Ctrl-C stops it)", url)
  has_display = sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
  if has_display and not args.no_browser:
    threading.Timer(0.5, webbrowser.open, [url]).start()
  server = uvicorn.Server(
    uvicorn.Config(
      app,
      log_level="warning",
      timeout_keep_alive=15,
      limit_concurrency=400,
      h11_max_incomplete_event_size=65_536,
    )
  )
  server.run(sockets=[bound])


if __name__ == "__main__":
  cli.run(main)
