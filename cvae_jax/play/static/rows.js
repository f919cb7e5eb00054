// Curves of latents as rows: each is drawn by hand, scaled and shifted. While sound is played live, its curves.

import {count, draw, heard, mix, place, reset, set} from './curves.js';
import {bend} from './melody.js';
import {fit} from './scope.js';

const BEND_S = 0.25; // of a bend by a key, to either side
const TRAIL_S = 6; // of what is played live
const LEAST = 3; // that a row shows of either side of 0
const ROOM = 1.15; // of what it shows to its largest value
const SLIDERS = {scale: [0, 2, 0.05, 1], shift: [-3, 3, 0.1, 0]};

const peak = (curve) => curve.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const toText = {scale: (x) => `×${x.toFixed(2)}`, shift: (x) => `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(1)}`};

function make(tag, fields, ...children) {
  const element = Object.assign(document.createElement(tag), fields);
  element.append(...children);
  return element;
}

export class Rows {
  /**
   * @param {HTMLElement} container
   * @param {number} numLatents
   * @param {{onEdit: function(object, boolean, number), onPoint: function(string)}} calls of an edit,
   *   whether it is complete and the second from which on it changes; and of the point that a key moves to, in words
   */
  constructor(container, numLatents, calls) {
    this.container = container;
    this.frame_s = 0.05; // of what is shown, once there is something
    this.calls = calls;
    this.edit = null;
    this.trail = null; // while sound is played live: curves of its last seconds
    this.rows = Array.from({length: numLatents}, (_, k) => this.#add(k));
    new ResizeObserver(() => this.draw()).observe(container);
  }

  /** Shows an edit of curves; one without frames has scales and shifts only. */
  show(edit) {
    this.edit = edit;
    this.rows.forEach((row, k) => {
      for (const name of Object.keys(SLIDERS)) {
        row[name].value = edit[name][k];
        row[`${name}Text`].textContent = toText[name](edit[name][k]);
      }
    });
    this.draw();
  }

  /** Shows the first rows only, or all. */
  limit(most) {
    this.rows.forEach(({element}, k) => (element.hidden = k >= most));
    this.draw();
  }

  /** Begins or ends to show what is played live. */
  setLive(isOn) {
    this.trail = isOn ? this.rows.map(() => []) : null;
    this.draw();
  }

  /** The next frames of what is played live. */
  push(curves) {
    if (!this.trail) return;
    this.trail.forEach((values, k) => {
      values.push(...curves[k]);
      values.splice(0, values.length - this.#trailLength);
    });
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.draw();
    });
  }

  /** Shows where the sound is, as a share of it; null if there is none. */
  setPlace(share) {
    this.container.classList.toggle('plays', share !== null);
    this.container.style.setProperty('--place', share ?? 0);
  }

  draw() {
    if (!this.edit) return;
    this.rows.forEach((row, k) => row.element.hidden || this.#drawRow(row, k));
  }

  get #trailLength() {
    return Math.max(2, Math.round(TRAIL_S / this.frame_s));
  }

  get #isDrawn() {
    return this.edit.num_samples > 0 && !this.trail;
  }

  #add(k) {
    const row = {cursor: 0, limit: LEAST};
    const name = `latent ${k + 1}`;
    row.canvas = make('canvas', {tabIndex: 0});
    row.canvas.setAttribute('role', 'application');
    row.canvas.setAttribute('aria-label', `Curve of ${name}. Drag to draw; left and right arrows move along it, up and down bend it.`);
    const button = make('button', {textContent: k + 1, title: `Reset ${name}`});
    button.setAttribute('aria-label', `Reset ${name}`);
    button.addEventListener('click', () => this.#change(reset(this.edit, k), true));
    const sliders = Object.entries(SLIDERS).map(([field, [min, max, step, value]]) => {
      const input = make('input', {type: 'range', min, max, step, value});
      row[field] = input;
      row[`${field}Text`] = make('output', {});
      input.setAttribute('aria-label', `${field === 'scale' ? 'Scale' : 'Shift'} of ${name}`);
      for (const event of ['input', 'change']) {
        input.addEventListener(event, () => this.#change(set(this.edit, k, {[field]: Number(input.value)}), event === 'change'));
      }
      return make('label', {}, make('span', {textContent: field}), input, row[`${field}Text`]);
    });
    const curve = make('div', {className: 'curve'}, row.canvas, make('i', {}));
    row.element = make('div', {className: 'latent'}, button, curve, ...sliders);
    this.container.append(row.element);
    this.#listen(row, k);
    return row;
  }

  #change(edit, isDone, from_s = 0) {
    this.show(edit);
    this.calls.onEdit(edit, isDone, from_s);
  }

  #listen(row, k) {
    const {canvas} = row;
    let last = null; // the point that is drawn from
    let before = null; // the edit before
    let first = 0; // frame that has changed
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const share = (value) => Math.min(1, Math.max(0, value));
      const x = share((event.clientX - box.left) / box.width);
      const y = share((event.clientY - box.top) / box.height);
      return [Math.round(x * (count(this.edit) - 1)), row.limit * (1 - 2 * y)];
    };
    const drawTo = (point) => {
      this.#change(draw(this.edit, k, last, point), false);
      first = Math.min(first, point[0]);
      last = point;
    };
    canvas.addEventListener('pointerdown', (event) => {
      if (!this.#isDrawn || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      before = this.edit;
      last = at(event);
      [first] = last;
      row.isHeld = true;
      drawTo(last);
    });
    canvas.addEventListener('pointermove', (event) => last && drawTo(at(event)));
    for (const end of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(end, () => {
        if (!last) return;
        last = null;
        row.isHeld = false;
        // A finger that turns out to scroll the page has not drawn.
        if (end === 'pointercancel') this.show(before);
        else this.#change(this.edit, true, first * this.frame_s);
      });
    }
    for (const name of ['focus', 'blur']) canvas.addEventListener(name, () => this.edit && this.#drawRow(row, k));
    canvas.addEventListener('keydown', (event) => this.#isDrawn && this.#onKey(event, row, k));
  }

  #onKey(event, row, k) {
    const frames = count(this.edit);
    const stride = Math.max(1, Math.round((event.shiftKey ? 0.1 : 0.01) * frames));
    const moved = {ArrowLeft: row.cursor - stride, ArrowRight: row.cursor + stride, Home: 0, End: frames - 1}[event.key];
    const bent = {ArrowUp: 1, ArrowDown: -1}[event.key];
    if (moved === undefined && !bent) return;
    event.preventDefault();
    event.stopPropagation();
    row.cursor = Math.min(frames - 1, Math.max(0, moved ?? row.cursor));
    if (bent) {
      const width = Math.max(1, BEND_S / this.frame_s);
      const [from, to] = [Math.max(0, Math.ceil(row.cursor - width)), Math.floor(row.cursor + width) + 1];
      const curve = bend(heard(this.edit, k), row.cursor, (bent * row.limit) / 20, width);
      this.#change(place(this.edit, k, from, curve.slice(from, to)), true, from * this.frame_s);
      return;
    }
    this.#drawRow(row, k);
    const value = heard(this.edit, k)[row.cursor];
    this.calls.onPoint(`latent ${k + 1} at ${(row.cursor * this.frame_s).toFixed(2)} s: ${value.toFixed(2)}`);
  }

  #drawRow(row, k) {
    const g = fit(row.canvas);
    const {width, height} = g.canvas;
    const dot = window.devicePixelRatio || 1;
    const {edit} = this;
    const curve = this.trail ? this.trail[k] : edit.num_samples ? heard(edit, k) : [];
    const plain = this.#isDrawn ? mix(edit.first[k], edit.second?.[k], edit.weight) : [];
    // The view stays where it is under a pointer that draws.
    if (!row.isHeld) row.limit = Math.max(LEAST, ROOM * peak(curve), ROOM * peak(plain));
    const y = (value) => (0.5 - (0.5 * value) / row.limit) * height;
    const frames = this.trail ? this.#trailLength : curve.length;
    const trace = (values) => {
      g.beginPath();
      values.forEach((value, i) => g.lineTo((i * width) / Math.max(1, frames - 1), y(value)));
      g.stroke();
    };
    const {color} = getComputedStyle(row.canvas);
    g.fillStyle = g.strokeStyle = getComputedStyle(document.body).color;
    g.globalAlpha = 0.25;
    g.fillRect(0, y(0), width, 0.5 * dot);
    g.lineWidth = dot;
    g.globalAlpha = 0.4;
    if (plain.some((value, i) => value !== curve[i])) trace(plain);
    g.globalAlpha = 1;
    g.strokeStyle = color;
    g.lineWidth = 1.75 * dot;
    trace(curve);
    if (this.#isDrawn && document.activeElement === row.canvas) {
      const x = (row.cursor * width) / Math.max(1, frames - 1);
      g.fillStyle = color;
      g.globalAlpha = 0.6;
      g.fillRect(x - dot / 2, 0, dot, height);
    }
  }
}
