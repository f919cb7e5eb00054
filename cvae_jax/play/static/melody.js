// A melody: curves of pitch and loudness that are seen, bent and played.

import {noteName} from './keyboard.js';
import {fit} from './scope.js';

const WIDTH_S = 0.25; // of a bend, to either side
const [LOW_DB, HIGH_DB] = [-80, 20];

/** A curve with a bend of `amount` around frame `center`, in the shape of a raised cosine. */
export function bend(curve, center, amount, width) {
  return curve.map((value, i) => {
    const distance = Math.abs(i - center) / width;
    return distance < 1 ? value + amount * (0.5 + 0.5 * Math.cos(Math.PI * distance)) : value;
  });
}

export class Melody {
  /** `onChange` is called when a drag or a key has changed a curve. */
  constructor(pitchCanvas, loudnessCanvas, onChange) {
    this.canvases = {pitch: pitchCanvas, loudness_db: loudnessCanvas};
    this.onChange = onChange;
    this.traced = null; // as it came from the server
    for (const name of Object.keys(this.canvases)) this.#listen(name);
    new ResizeObserver(() => this.draw()).observe(pitchCanvas);
  }

  set(traced) {
    this.traced = traced;
    this.reset();
  }

  reset() {
    this.pitch = [...this.traced.pitch];
    this.loudness_db = [...this.traced.loudness_db];
    const sung = this.traced.pitch.filter((_, i) => this.traced.clear[i]);
    const all = sung.length ? sung : this.traced.pitch;
    const sorted = [...all].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    this.range = [Math.floor(at(0.02)) - 4, Math.ceil(at(0.98)) + 4];
    this.draw();
  }

  /** Frames' worth of `WIDTH_S`. */
  get #width() {
    return WIDTH_S / this.traced.frame_s;
  }

  #limits(name) {
    return name === 'pitch' ? this.range : [LOW_DB, HIGH_DB];
  }

  #listen(name) {
    const canvas = this.canvases[name];
    let grabbed = null;
    const valueAt = (event) => {
      const [low, high] = this.#limits(name);
      const box = canvas.getBoundingClientRect();
      const x = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return [x * (this[name].length - 1), high - ((event.clientY - box.top) / box.height) * (high - low)];
    };
    canvas.addEventListener('pointerdown', (event) => {
      if (!this.traced) return;
      canvas.setPointerCapture(event.pointerId);
      const [frame, value] = valueAt(event);
      grabbed = {frame, value, curve: this[name]};
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!grabbed) return;
      const [, value] = valueAt(event);
      this.#change(name, bend(grabbed.curve, grabbed.frame, value - grabbed.value, this.#width));
    });
    for (const end of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(end, () => {
        if (grabbed && this[name] !== grabbed.curve) this.onChange();
        grabbed = null;
      });
    }
    canvas.addEventListener('keydown', (event) => {
      const step = {ArrowUp: 1, ArrowDown: -1}[event.key];
      if (!step || !this.traced) return;
      event.preventDefault();
      event.stopPropagation();
      this.#change(name, this[name].map((value) => value + step));
      if (name === 'pitch') this.range = this.range.map((value) => value + step);
      this.draw();
      this.onChange();
    });
  }

  #change(name, curve) {
    const [low, high] = name === 'pitch' ? [0, 127] : [-200, 40];
    this[name] = curve.map((value) => Math.min(high, Math.max(low, value)));
    this.draw();
  }

  draw() {
    for (const [name, canvas] of Object.entries(this.canvases)) {
      const g = fit(canvas);
      if (!this.traced) continue;
      this.#drawCurve(g, name);
    }
  }

  #drawCurve(g, name) {
    const {width, height} = g.canvas;
    const style = getComputedStyle(g.canvas);
    const [low, high] = this.#limits(name);
    const y = (value) => (height * (high - value)) / (high - low);
    g.font = `${11 * (window.devicePixelRatio || 1)}px system-ui, sans-serif`;
    g.fillStyle = getComputedStyle(document.body).color;
    const lines = name === 'pitch'
      ? Array.from({length: 11}, (_, i) => 12 * i).flatMap((c) => [c, c + 7]).filter((p) => p > low && p < high)
      : [-60, -40, -20, 0];
    g.globalAlpha = 0.45;
    for (const value of lines) {
      g.fillRect(0, y(value), width, 0.5);
      g.fillText(name === 'pitch' ? noteName(value) : `${value} dB`, 4, y(value) - 3);
    }
    const curve = this[name];
    g.strokeStyle = g.fillStyle = style.color;
    g.lineWidth = 2 * (window.devicePixelRatio || 1);
    const step = width / Math.max(1, curve.length - 1);
    const trace = (isShown) => {
      g.beginPath();
      curve.forEach((value, i) => {
        if (!isShown(i)) return;
        if (i && isShown(i - 1)) g.lineTo(i * step, y(value));
        else g.moveTo(i * step, y(value));
      });
      g.stroke();
    };
    if (name === 'pitch') {
      g.globalAlpha = 0.25;
      trace((i) => this.loudness_db[i] > -60);
    }
    g.globalAlpha = 1;
    trace((i) => name !== 'pitch' || this.traced.clear[i]);
  }
}
