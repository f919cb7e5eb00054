"""What kinds of drums are made of: the ranges that the layers' parameters of each are drawn from.

Sources: Roland's TR-808 and TR-909 service notes for the circuits (bridged-T resonators, six square
oscillators, three bursts of a clap); Fletcher and Rossing 1998, "The Physics of Musical
Instruments", chapters 18 to 20, for membranes, plates and bars. Decays, centroids and sweeps were
set beside recorded drums by benchmarks/drums.py.
"""

from typing import NamedTuple

from cvae_jax.data.synthetic import drum_layers

# A constant, or a range: of logarithms where both ends are positive.
Range = float | tuple[float, float]


class Model(NamedTuple):
  """A way to make a kind of drum.

  Attributes:
    kind: of `drums.KINDS`.
    source: of `drums.SOURCES`.
    name: of the circuit or instrument.
    ranges: of the parameters that differ from `drum_layers.SILENT`, by name.
  """

  kind: str
  source: str
  name: str
  ranges: dict[str, Range]


def _ratios(name: str) -> float:
  return float(drum_layers.RATIO_NAMES.index(name))


def _tone(ratios, f0_hz, tone_s, db=0.0, **others):
  return {"ratios": _ratios(ratios), "f0_hz": f0_hz, "tone_s": tone_s, "tone_db": db, **others}


def _noise(number, db, hz, octaves, seconds, attack_s=0.0003, **others):
  fields = {"db": db, "hz": hz, "octaves": octaves, "s": seconds, "attack_s": attack_s}
  return {**{f"noise{number}_{name}": value for name, value in fields.items()}, **others}


def _squares(db, seconds, centre_hz, octaves, hz=(150.0, 330.0), **others):
  return {"squares": 1.0, "metal_db": db, "metal_hz": hz, "metal_s": seconds,
          "metal_centre_hz": centre_hz, "metal_octaves": octaves, **others}  # fmt: skip


def _plate(db, seconds, centre_hz, octaves, hz=(150.0, 500.0), damping=(0.1, 0.6), **others):
  return {"metal_db": db, "metal_hz": hz, "metal_s": seconds, "metal_centre_hz": centre_hz,
          "metal_octaves": octaves, "metal_damping": damping, "body_hz": (400.0, 6000.0),
          "body_db": (-8.0, 5.0), **others}  # fmt: skip


_ACOUSTIC, _ELECTRONIC = "acoustic", "electronic"
_SWEPT = {"sweep": (0.15, 0.6), "sweep_s": (0.012, 0.05)}  # of a membrane's tension


def _kicks():
  kit = _noise(3, (-42.0, -18.0), (500.0, 4000.0), (1.0, 2.5), (0.01, 0.07))  # that rattles
  click = lambda db, seconds=(0.0015, 0.005): _noise(2, db, (1500.0, 4500.0), (0.6, 1.2), seconds)
  return {
    "bridged_t": (_ELECTRONIC, {
      **_tone("sine", (44.0, 64.0), (0.07, 0.3), sweep=(0.5, 1.5), sweep_s=(0.004, 0.012)),
      **click((-50.0, -24.0)), "drive": (0.2, 1.5),
    }),
    "swept": (_ELECTRONIC, {
      **_tone("sine", (46.0, 70.0), (0.04, 0.12), sweep=(2.0, 5.5), sweep_s=(0.012, 0.035)),
      **click((-36.0, -14.0)), "drive": (0.5, 3.0), "tone_attack_s": (0.0003, 0.002),
    }),
    "steep": (_ELECTRONIC, {
      **_tone("sine", (44.0, 75.0), (0.04, 0.14), sweep=(8.0, 25.0), sweep_s=(0.004, 0.012)),
      **click((-46.0, -20.0)), "drive": (1.0, 4.0),
    }),
    "two_heads": (_ACOUSTIC, {
      **_tone("two_heads", (50.0, 85.0), (0.03, 0.1), damping=(0.6, 2.0), slope=(1.2, 3.0),
              detune=0.03, tone_attack_s=(0.001, 0.005), **_SWEPT),
      **_noise(1, (-34.0, -18.0), (120.0, 500.0), (0.7, 1.2), (0.01, 0.04)),
      **click((-44.0, -16.0)), **kit,
    }),
    "one_head": (_ACOUSTIC, {
      **_tone("membrane", (48.0, 80.0), (0.035, 0.13), damping=(1.0, 3.0), slope=(1.5, 3.5),
              detune=0.02, tone_attack_s=(0.001, 0.006), **_SWEPT),
      **_noise(1, (-30.0, -16.0), (80.0, 350.0), (0.6, 1.0), (0.015, 0.05)),
      **click((-46.0, -18.0), (0.002, 0.008)), **kit, "drive": (0.2, 2.0),
    }),
  }  # fmt: skip


def _snares():
  wires = lambda db, s=(0.03, 0.15): _noise(1, db, (1500.0, 8000.0), (1.0, 2.5), s, (0.0003, 0.002))
  crack = _noise(2, (-20.0, -6.0), (1000.0, 4500.0), (0.8, 1.5), (0.002, 0.008))
  return {
    "two_resonators": (_ELECTRONIC, {
      **_tone("pair", (165.0, 260.0), (0.02, 0.06), (-14.0, 0.0), damping=(0.2, 0.8),
              slope=(-0.3, 1.0), sweep=(0.1, 0.6), sweep_s=(0.002, 0.008)),
      **_noise(1, (-18.0, -6.0), (2500.0, 6000.0), (0.7, 1.3), (0.025, 0.09)),
    }),
    "triangles": (_ELECTRONIC, {
      **_tone("odd", (160.0, 260.0), (0.025, 0.08), (-12.0, 0.0), damping=(0.1, 0.6), slope=2.0,
              sweep=(0.4, 1.6), sweep_s=(0.005, 0.02)),
      **_noise(1, (-16.0, -4.0), (1500.0, 5000.0), (0.9, 1.8), (0.03, 0.1)),
      **_noise(2, (-24.0, -8.0), (800.0, 2500.0), (0.6, 1.2), (0.005, 0.03)), "drive": (0.3, 2.0),
    }),
    "wires": (_ACOUSTIC, {
      **_tone("two_heads", (150.0, 270.0), (0.03, 0.14), (-8.0, 2.0), damping=(0.3, 1.5),
              slope=(0.4, 1.8), detune=0.04, sweep=(0.02, 0.2), sweep_s=(0.01, 0.04)),
      **wires((-20.0, -3.0)), **crack,
      **_noise(3, (-32.0, -14.0), (300.0, 1200.0), (0.7, 1.5), (0.02, 0.1)),
    }),
    "loose": (_ACOUSTIC, {
      **_tone("membrane", (140.0, 280.0), (0.03, 0.13), (-12.0, -1.0), damping=(0.2, 1.2),
              slope=(0.2, 1.3), detune=0.04, sweep=(0.02, 0.2), sweep_s=(0.01, 0.04)),
      **wires((-12.0, -1.0), (0.05, 0.2)), **crack,
      **_noise(3, (-26.0, -12.0), (400.0, 1500.0), (0.8, 1.6), (0.04, 0.15)),
    }),
    "rim_shot": (_ACOUSTIC, {
      **_tone("membrane", (180.0, 420.0), (0.03, 0.12), damping=(0.1, 0.7), slope=(-0.3, 0.6),
              detune=0.05), **wires((-22.0, -10.0)), **crack,
    }),
  }  # fmt: skip


def _hats(seconds, is_open):
  """Hi-hats, which differ in their decay; two open plates also rattle against each other."""
  rattle = (-22.0, -8.0) if is_open else (-20.0, -4.0)
  attack_s, choke = (0.0003, 0.002), {"length_s": (0.3, 4.0) if is_open else 100.0}
  # The lowest modes of the plates stand out, from 300 to 800 Hz.
  clang = lambda db: _tone("bell", (270.0, 620.0), seconds, db, detune=0.15, damping=(0.0, 0.4),
                           slope=(0.2, 1.5), tone_attack_s=(0.0005, 0.003))  # fmt: skip
  stick = {
    **_noise(2, (-20.0, -2.0), (1500.0, 6000.0), (0.8, 2.0), (0.002, 0.01)),
    **_noise(3, (-30.0, -12.0), (60.0, 350.0), (0.6, 1.2), (0.01, 0.05)),
  }
  models = {
    "six_squares": (_ELECTRONIC, _squares(-6.0, seconds, (4000.0, 8000.0), (0.5, 1.2))),
    "noise": (_ELECTRONIC, {
      **_noise(1, 0.0, (5000.0, 9000.0), (0.4, 1.0), seconds, attack_s),
      **_squares((-24.0, -6.0), seconds, (4000.0, 8000.0), (0.5, 1.0)),
    }),
    "plates": (_ACOUSTIC, {
      **_plate(-4.0, seconds, (3000.0, 10000.0), (1.0, 2.5), (200.0, 700.0), (-0.1, 0.4)),
      **_noise(1, rattle, (3500.0, 9000.0), (0.8, 2.0), seconds, attack_s),
      **clang((-22.0, -5.0)), **stick,
    }),
    "small_plates": (_ACOUSTIC, {
      **_plate(-4.0, seconds, (4000.0, 10000.0), (0.8, 2.0), (300.0, 900.0), (-0.2, 0.3)),
      **_noise(1, rattle, (5000.0, 9000.0), (0.6, 1.5), seconds, (0.0003, 0.004)),
      **clang((-30.0, -10.0)), **stick,
    }),
  }  # fmt: skip
  return {name: (source, {**ranges, **choke}) for name, (source, ranges) in models.items()}


def _closed_hats():
  pedal = {
    **_plate(-6.0, (0.02, 0.05), (2500.0, 9000.0), (0.8, 2.0), (250.0, 700.0), (-0.1, 0.4),
             metal_attack_s=(0.003, 0.012)),
    **_noise(1, (-12.0, 0.0), (3000.0, 8000.0), (0.8, 1.5), (0.015, 0.045), (0.003, 0.012)),
    **_tone("bell", (200.0, 600.0), (0.02, 0.06), (-24.0, -6.0), detune=0.1,
            tone_attack_s=(0.002, 0.006)),
  }  # fmt: skip
  # Plates that are still ringing when they touch.
  closing = {
    **_plate(-6.0, (0.02, 0.06), (2500.0, 9000.0), (0.8, 2.0), (250.0, 700.0), (-0.1, 0.4)),
    **_noise(1, (-8.0, 0.0), (2500.0, 8000.0), (0.8, 1.8), (0.015, 0.045), (0.0005, 0.003),
             bursts=(2.0, 3.5), burst_gap_s=(0.015, 0.05), burst_s=(0.005, 0.02)),
    **_tone("bell", (270.0, 620.0), (0.01, 0.05), (-24.0, -6.0), detune=0.1),
  }  # fmt: skip
  return {
    **_hats((0.012, 0.06), False),
    "pedal": (_ACOUSTIC, pedal),
    "closing": (_ACOUSTIC, closing),
  }


def _open_hats():
  return _hats((0.08, 0.35), True)


def _claps():
  bursts = {"burst_gap_s": (0.007, 0.013), "burst_s": (0.002, 0.006)}
  return {
    "bursts": (_ELECTRONIC, {
      **_noise(1, 0.0, (900.0, 1700.0), (0.35, 0.8), (0.015, 0.05), bursts=(3.0, 4.9)), **bursts,
      **_noise(2, (-22.0, -10.0), (900.0, 2000.0), (0.4, 0.9), (0.03, 0.09), (0.005, 0.02)),
    }),
    "crisp_bursts": (_ELECTRONIC, {
      **_noise(1, 0.0, (1200.0, 2600.0), (0.5, 1.1), (0.012, 0.04), bursts=(2.0, 4.9)), **bursts,
      "drive": (0.5, 3.0), "length_s": (0.08, 0.5),
    }),
    "hands": (_ACOUSTIC, {
      **_noise(1, 0.0, (900.0, 2400.0), (0.4, 1.2), (0.005, 0.025), bursts=(1.0, 5.9),
               burst_gap_s=(0.003, 0.016), burst_s=(0.002, 0.007)),
      **_noise(2, (-26.0, -14.0), (1000.0, 3500.0), (0.6, 1.5), (0.02, 0.07), (0.002, 0.01)),
      **_tone("shell", (250.0, 1200.0), (0.002, 0.008), (-20.0, 0.0), detune=0.2),
    }),
  }  # fmt: skip


def _toms():
  wires = _noise(3, (-38.0, -14.0), (500.0, 4000.0), (1.0, 2.5), (0.04, 0.2))  # of the snare
  return {
    "bridged_t": (_ELECTRONIC, {
      **_tone("sine", (75.0, 210.0), (0.07, 0.25), sweep=(0.1, 0.5), sweep_s=(0.02, 0.08)),
      **_noise(1, (-34.0, -16.0), (150.0, 1500.0), (0.8, 1.6), (0.02, 0.12)),
    }),
    "swept": (_ELECTRONIC, {
      **_tone("odd", (65.0, 170.0), (0.09, 0.3), slope=2.0, damping=0.2, sweep=(0.5, 2.5),
              sweep_s=(0.03, 0.12)),
      **_noise(1, (-34.0, -18.0), (500.0, 3000.0), (0.8, 1.5), (0.02, 0.1)),
    }),
    "two_heads": (_ACOUSTIC, {
      **_tone("two_heads", (70.0, 240.0), (0.14, 0.5), damping=(0.7, 3.0), slope=(0.7, 2.0),
              detune=0.03, sweep=(0.03, 0.25), sweep_s=(0.02, 0.08),
              tone_attack_s=(0.001, 0.005)),
      **_noise(1, (-20.0, -2.0), (250.0, 2000.0), (1.0, 2.2), (0.008, 0.04)),
      **_noise(2, (-26.0, -6.0), (1500.0, 5000.0), (0.8, 1.5), (0.002, 0.008)),
      **wires,
    }),
    "membrane": (_ACOUSTIC, {
      **_tone("membrane", (65.0, 220.0), (0.12, 0.42), damping=(0.8, 3.0), slope=(0.6, 1.8),
              detune=0.02, sweep=(0.02, 0.2), sweep_s=(0.02, 0.08),
              tone_attack_s=(0.001, 0.005)),
      **_noise(1, (-20.0, -2.0), (200.0, 1500.0), (1.0, 2.2), (0.01, 0.05)),
      **_noise(2, (-26.0, -6.0), (1200.0, 4000.0), (0.8, 1.5), (0.002, 0.01)),
      **wires,
    }),
  }  # fmt: skip


def _cymbals():
  clang = lambda db, s=(0.25, 0.8): _tone(
    "bell", (230.0, 700.0), s, db, slope=(0.0, 1.5), detune=0.15, damping=(0.0, 0.3)
  )
  stick = lambda db: _noise(2, db, (2000.0, 6000.0), (0.7, 1.3), (0.002, 0.01))
  return {
    "six_squares": (_ELECTRONIC, {
      **_squares(-6.0, (0.18, 0.5), (3000.0, 7500.0), (0.5, 1.0)),
      **_noise(1, (-20.0, -6.0), (5000.0, 9000.0), (0.6, 1.2), (0.1, 0.5)),
    }),
    "noise": (_ELECTRONIC, {
      **_noise(1, 0.0, (3500.0, 8000.0), (0.6, 1.3), (0.2, 0.55)),
      **_plate((-16.0, -2.0), (0.2, 0.6), (2500.0, 7000.0), (0.6, 1.2)),
    }),
    "crash": (_ACOUSTIC, {
      **_plate(-6.0, (0.3, 0.75), (2000.0, 9000.0), (1.0, 2.8), (80.0, 350.0), (0.0, 0.5),
               metal_attack_s=(0.001, 0.03)),
      **_noise(1, (-16.0, -2.0), (2000.0, 7500.0), (0.8, 1.6), (0.15, 0.6), (0.001, 0.02)),
      **stick((-24.0, -6.0)), **clang((-24.0, -8.0)),
      **_noise(3, (-26.0, -12.0), (300.0, 1200.0), (0.7, 1.3), (0.1, 0.5)),
    }),
    "splash": (_ACOUSTIC, {
      **_plate(-6.0, (0.12, 0.35), (3000.0, 9000.0), (0.8, 2.0), (300.0, 800.0), (0.0, 0.4)),
      **_noise(1, (-14.0, 0.0), (3500.0, 8000.0), (0.6, 1.2), (0.06, 0.25), (0.0005, 0.006)),
      **stick((-20.0, -6.0)), **clang((-30.0, -10.0), (0.1, 0.35)),
    }),
    "ride": (_ACOUSTIC, {
      **_plate(-6.0, (0.3, 0.9), (2000.0, 9000.0), (1.0, 2.5), (150.0, 450.0), (0.1, 0.6)),
      **stick((-10.0, 4.0)),
      **clang((-22.0, -5.0)),
      **_noise(1, (-28.0, -14.0), (2500.0, 7000.0), (0.7, 1.3), (0.2, 0.6), (0.002, 0.02)),
    }),
    "ride_bell": (_ACOUSTIC, {
      **_tone("bell", (380.0, 1000.0), (0.3, 0.8), 0.0, slope=(-0.5, 0.7), detune=0.12,
              damping=(0.02, 0.25)),
      **_plate((-8.0, 2.0), (0.3, 0.8), (2000.0, 8000.0), (1.0, 2.2), (200.0, 500.0), (0.1, 0.6)),
      **stick((-10.0, 4.0)),
    }),
  }  # fmt: skip


def _rims():
  return {
    "two_resonators": (_ELECTRONIC, {
      **_tone("wide_pair", (400.0, 520.0), (0.004, 0.014), damping=(0.1, 0.5), slope=(-0.6, 0.3)),
      **_noise(1, (-24.0, -10.0), (1500.0, 4500.0), (0.6, 1.2), (0.002, 0.008)),
      "drive": (1.0, 4.0),
    }),
    "blip": (_ELECTRONIC, {
      **_tone("pair", (700.0, 1800.0), (0.004, 0.015), slope=(-0.5, 0.5), damping=(0.1, 0.5)),
      **_noise(1, (-20.0, -8.0), (2000.0, 6000.0), (0.6, 1.2), (0.002, 0.006)),
    }),
    "side_stick": (_ACOUSTIC, {
      **_tone("shell", (380.0, 1100.0), (0.004, 0.02), (-10.0, 0.0), damping=(0.02, 0.3),
              slope=(-0.8, 0.5), detune=0.12),
      **_noise(1, (-4.0, 8.0), (800.0, 5000.0), (1.2, 3.0), (0.002, 0.008)),
      **_noise(2, (-24.0, -4.0), (60.0, 260.0), (0.4, 1.0), (0.03, 0.12), (0.001, 0.005)),
      **_noise(3, (-24.0, -4.0), (600.0, 5000.0), (1.0, 2.5), (0.02, 0.08)),
    }),
    "cross_stick": (_ACOUSTIC, {
      **_tone("shell", (300.0, 700.0), (0.012, 0.045), damping=(0.02, 0.3), slope=(-0.6, 0.8),
              detune=0.12),
      **_noise(1, (-8.0, 6.0), (1000.0, 4000.0), (1.0, 2.5), (0.002, 0.01)),
      **_noise(2, (-26.0, -8.0), (100.0, 350.0), (0.3, 0.8), (0.03, 0.1), (0.001, 0.005)),
      **_noise(3, (-22.0, -4.0), (800.0, 6000.0), (1.0, 2.5), (0.02, 0.06)),
    }),
  }  # fmt: skip


def _cowbells():
  return {
    "two_squares": (_ELECTRONIC, {
      **_tone("harmonic", (520.0, 570.0), (0.03, 0.12), slope=1.0, damping=0.0),
      **_squares((-4.0, 4.0), (0.03, 0.15), (700.0, 1300.0), (0.4, 0.8), (330.0, 420.0)),
      **_noise(1, (-30.0, -16.0), (1500.0, 4000.0), (0.6, 1.2), (0.002, 0.006)),
    }),
    "bell": (_ACOUSTIC, {
      **_tone("bell", (390.0, 900.0), (0.02, 0.12), slope=(-0.6, 0.7), detune=0.06,
              damping=(0.1, 0.8)),
      **_noise(1, (-16.0, -2.0), (1500.0, 5000.0), (0.7, 1.3), (0.002, 0.008)),
      **_plate((-24.0, -6.0), (0.03, 0.1), (2500.0, 6000.0), (0.8, 1.6), (900.0, 1800.0)),
    }),
  }  # fmt: skip


def _percussion():
  return {
    "conga_circuit": (_ELECTRONIC, {
      **_tone("sine", (160.0, 480.0), (0.03, 0.12), sweep=(0.05, 0.4), sweep_s=(0.005, 0.03)),
      **_noise(1, (-40.0, -22.0), (800.0, 3000.0), (0.6, 1.2), (0.002, 0.006)),
    }),
    "maraca_circuit": (_ELECTRONIC, _noise(
      1, 0.0, (5000.0, 9000.0), (0.4, 0.9), (0.008, 0.035), (0.001, 0.012))),
    "clave_circuit": (_ELECTRONIC, _tone("sine", (1500.0, 2800.0), (0.008, 0.03))),
    "blip": (_ELECTRONIC, {
      **_tone("odd", (300.0, 1200.0), (0.01, 0.08), slope=(0.5, 2.0), sweep=(0.2, 4.0),
              sweep_s=(0.005, 0.04)),
    }),
    "hand_drum": (_ACOUSTIC, {
      **_tone("membrane", (90.0, 420.0), (0.03, 0.16), damping=(0.2, 1.5), slope=(0.0, 1.5),
              detune=0.05, sweep=(0.01, 0.12), sweep_s=(0.01, 0.04)),
      **_noise(1, (-28.0, -10.0), (600.0, 3500.0), (0.7, 1.3), (0.003, 0.02)),
    }),
    "tabla": (_ACOUSTIC, {
      **_tone("harmonic", (80.0, 380.0), (0.06, 0.35), damping=(0.05, 0.5), slope=(0.0, 1.2),
              detune=0.01, sweep=(0.01, 0.4), sweep_s=(0.03, 0.15)),
      **_noise(1, (-28.0, -12.0), (600.0, 3000.0), (0.7, 1.3), (0.003, 0.015)),
    }),
    "shaker": (_ACOUSTIC, {
      **_noise(1, 0.0, (3500.0, 8500.0), (0.4, 1.0), (0.01, 0.06), (0.004, 0.04),
               bursts=(1.0, 3.5), burst_gap_s=(0.03, 0.09), burst_s=(0.008, 0.03)),
    }),
    "cabasa": (_ACOUSTIC, {
      **_noise(1, 0.0, (3000.0, 8000.0), (0.5, 1.2), (0.015, 0.08), (0.008, 0.06),
               bursts=(2.0, 5.9), burst_gap_s=(0.02, 0.06), burst_s=(0.01, 0.04)),
      **_noise(2, (-30.0, -12.0), (400.0, 2500.0), (0.8, 1.5), (0.03, 0.12), (0.005, 0.04)),
    }),
    "tambourine": (_ACOUSTIC, {
      **_plate(-6.0, (0.03, 0.16), (5000.0, 8000.0), (0.4, 0.8), (2500.0, 4000.0), (-0.2, 0.3)),
      **_noise(1, (-10.0, 2.0), (4500.0, 8500.0), (0.4, 0.9), (0.015, 0.1), (0.0005, 0.008),
               bursts=(1.0, 4.9), burst_gap_s=(0.01, 0.04), burst_s=(0.004, 0.015)),
      **_tone("membrane", (150.0, 350.0), (0.02, 0.06), (-40.0, -10.0)),
    }),
    "wood": (_ACOUSTIC, {
      **_tone("bar", (500.0, 2400.0), (0.008, 0.04), damping=(0.1, 0.8), slope=(0.3, 1.5),
              detune=0.05),
      **_noise(1, (-28.0, -12.0), (1500.0, 5000.0), (0.6, 1.2), (0.001, 0.006)),
    }),
    "agogo": (_ACOUSTIC, {
      **_tone("bell", (500.0, 1700.0), (0.08, 0.4), slope=(-0.3, 1.0), damping=(0.05, 0.5),
              detune=0.08),
      **_noise(1, (-28.0, -14.0), (2000.0, 6000.0), (0.6, 1.2), (0.001, 0.005)),
    }),
    "glass": (_ACOUSTIC, {
      **_tone("bar", (900.0, 3000.0), (0.1, 0.5), damping=(0.02, 0.3), slope=(0.0, 1.2),
              detune=0.06),
    }),
    "cajon": (_ACOUSTIC, {
      **_tone("shell", (70.0, 280.0), (0.02, 0.07), damping=(0.2, 1.2), slope=(0.3, 1.5),
              detune=0.1),
      **_noise(1, (-26.0, -8.0), (500.0, 3500.0), (0.8, 1.4), (0.005, 0.04)),
    }),
  }  # fmt: skip


_KINDS = {
  "kick": _kicks, "snare": _snares, "hihat_closed": _closed_hats, "hihat_open": _open_hats,
  "clap": _claps, "tom": _toms, "cymbal": _cymbals, "rim": _rims, "cowbell": _cowbells,
  "percussion": _percussion,
}  # fmt: skip

MODELS = tuple(
  Model(kind, source, name, ranges)
  for kind, make_models in _KINDS.items()
  for name, (source, ranges) in make_models().items()
)
