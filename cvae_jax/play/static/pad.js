// A map of two directions of the latent space: training examples are dots, the sound is a ring to drag.

const REACH = 3.2; // standard deviations from the centre to an edge
/** The colour of one of the main label's names. */
const toColor = (names, name) => `hsl(${(360 * Math.max(names.indexOf(name), 0)) / Math.max(names.length, 1)} 55% 55%)`;

export class Pad {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{onMove: function(number[], boolean), onDot: function(number, object)}} calls
   *   onMove gets the place and whether the move is finished
   */
  constructor(canvas, calls) {
    this.canvas = canvas;
    this.calls = calls;
    this.dots = [];
    this.place = [0, 0];
    this.lit = null;
    this.main = null; // the label that colours the dots
    this.chosen = null; // its names whose dots are highlighted
    canvas.addEventListener('pointerdown', (e) => this.#onDown(e));
    canvas.addEventListener('pointermove', (e) => this.#onMove(e));
    canvas.addEventListener('pointerup', (e) => this.#onUp(e));
    canvas.addEventListener('keydown', (e) => this.#onKey(e));
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  setPlace(place) {
    this.place = place;
    this.draw();
  }

  #toPixels([x, y]) {
    const {clientWidth: w, clientHeight: h} = this.canvas;
    return [(0.5 + x / (2 * REACH)) * w, (0.5 - y / (2 * REACH)) * h];
  }

  #fromEvent(event) {
    const box = this.canvas.getBoundingClientRect();
    const clamp = (v) => Math.max(-REACH, Math.min(REACH, v));
    return [
      clamp(((event.clientX - box.left) / box.width - 0.5) * 2 * REACH),
      clamp((0.5 - (event.clientY - box.top) / box.height) * 2 * REACH),
    ];
  }

  #dotAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const reach = event.pointerType === 'touch' ? 12 : 7;
    let best = null;
    let least = reach * reach;
    this.dots.forEach((dot, i) => {
      const [x, y] = this.#toPixels(dot.places);
      const distance = (x - event.clientX + box.left) ** 2 + (y - event.clientY + box.top) ** 2;
      if (distance < least) [best, least] = [i, distance];
    });
    return best;
  }

  #onDown(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.start = [event.clientX, event.clientY];
    this.dragging = false;
    this.pressed = this.#dotAt(event);
    if (this.pressed === null) {
      this.dragging = true;
      this.#to(this.#fromEvent(event), false);
    }
  }

  #onMove(event) {
    if (!this.start) {
      const dot = this.#dotAt(event);
      this.canvas.title = dot === null ? '' : this.dots[dot].id;
      return;
    }
    const moved = Math.hypot(event.clientX - this.start[0], event.clientY - this.start[1]);
    if (moved > 6) this.dragging = true;
    if (this.dragging) this.#to(this.#fromEvent(event), false);
  }

  #onUp(event) {
    if (!this.start) return;
    this.start = null;
    if (this.dragging) {
      this.#to(this.#fromEvent(event), true);
    } else if (this.pressed !== null) {
      this.lit = this.pressed;
      this.draw();
      this.calls.onDot(this.pressed, this.dots[this.pressed]);
    }
  }

  #onKey(event) {
    const step = event.shiftKey ? 0.5 : 0.1;
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
    if (!way) return;
    event.preventDefault();
    const clamp = (v) => Math.max(-REACH, Math.min(REACH, v));
    this.#to(this.place.map((v, i) => clamp(v + step * way[i])), true);
  }

  #to(place, done) {
    this.setPlace(place);
    this.calls.onMove(place, done);
  }

  draw() {
    const {canvas} = this;
    const scale = window.devicePixelRatio || 1;
    const [w, h] = [canvas.clientWidth, canvas.clientHeight];
    if (!w || !h) return;
    canvas.width = w * scale;
    canvas.height = h * scale;
    const g = canvas.getContext('2d');
    g.scale(scale, scale);
    const style = getComputedStyle(document.body);
    g.strokeStyle = style.getPropertyValue('color');
    g.globalAlpha = 0.12;
    g.beginPath();
    g.moveTo(w / 2, 0);
    g.lineTo(w / 2, h);
    g.moveTo(0, h / 2);
    g.lineTo(w, h / 2);
    g.stroke();
    this.dots.forEach((dot, i) => {
      const [x, y] = this.#toPixels(dot.places);
      const name = this.main && dot.labels[this.main.name];
      const bright = !this.chosen || this.chosen.includes(name);
      g.globalAlpha = i === this.lit ? 1 : bright ? 0.8 : 0.22;
      g.fillStyle = toColor(this.main?.names ?? [], name);
      g.beginPath();
      g.arc(x, y, i === this.lit ? 5 : bright ? 3 : 2.2, 0, 2 * Math.PI);
      g.fill();
    });
    g.globalAlpha = 1;
    const [x, y] = this.#toPixels(this.place.map((v) => Math.max(-REACH, Math.min(REACH, v))));
    g.lineWidth = 2.5;
    g.strokeStyle = style.color;
    g.beginPath();
    g.arc(x, y, 8, 0, 2 * Math.PI);
    g.stroke();
  }
}
