// A square with a score in each corner: a point in it is dragged, or moved by the arrow keys.

import {drawThumbnail} from './roll.js';
import {fit} from './scope.js';
import {SLOTS} from './score.js';

const CORNERS = [[0, 0], [1, 0], [0, 1], [1, 1]];
const SHARE = 0.36; // of the side that a corner's score takes

export class MixSquare {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} form of the scores
   * @param {function(number[], boolean)} onMove gets the point from the left and the top, 0 to 1, and whether the
   *   move is finished
   */
  constructor(canvas, form, onMove) {
    Object.assign(this, {canvas, form, onMove});
    this.point = [0.5, 0.5];
    this.scores = [];
    this.isDragged = false;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.isDragged = true;
      this.#to(this.#pointOf(event), false);
    });
    canvas.addEventListener('pointermove', (event) => this.isDragged && this.#to(this.#pointOf(event), false));
    for (const name of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(name, () => {
        if (this.isDragged) this.#to(this.point, true);
        this.isDragged = false;
      });
    }
    canvas.addEventListener('keydown', (event) => this.#onKey(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(scores, point = this.point) {
    Object.assign(this, {scores, point});
    this.draw();
  }

  #pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const clamp = (value) => Math.round(100 * Math.max(0, Math.min(1, value))) / 100;
    return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
  }

  #to(point, isDone) {
    this.point = point;
    this.draw();
    this.onMove(point, isDone);
  }

  #onKey(event) {
    const by = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? 0.25 : 0.05;
    this.#to(this.point.map((x, i) => Math.round(100 * Math.max(0, Math.min(1, x + step * by[i]))) / 100), true);
  }

  draw() {
    const {canvas, point} = this;
    if (!canvas.clientWidth) return;
    const g = fit(canvas);
    const {width, height} = canvas;
    const scale = window.devicePixelRatio || 1;
    const ink = getComputedStyle(document.body).color;
    const [w, h] = [SHARE * width, 0.7 * SHARE * height];
    g.font = `600 ${13 * scale}px system-ui, sans-serif`;
    CORNERS.forEach(([x, y], i) => {
      const share = Math.abs(1 - x - point[0]) * Math.abs(1 - y - point[1]);
      const [left, top] = [x * (width - w), y * (height - h)];
      g.globalAlpha = 0.35 + 0.65 * share;
      if (this.scores[i]) drawThumbnail(g, this.scores[i].notes, this.form, [left + 0.06 * w, top + 0.12 * h, 0.88 * w, 0.76 * h]);
      g.globalAlpha = 0.75;
      g.fillStyle = ink;
      g.fillText(SLOTS[i], x ? width - 17 * scale : 7 * scale, y ? height - h - 4 * scale : h + 14 * scale);
    });
    g.globalAlpha = 0.2;
    g.strokeStyle = ink;
    g.lineWidth = scale;
    g.beginPath();
    for (const [x, y] of CORNERS) {
      g.moveTo(point[0] * width, point[1] * height);
      g.lineTo(x * width, y * height);
    }
    g.stroke();
    g.globalAlpha = 1;
    g.fillStyle = g.strokeStyle = getComputedStyle(canvas).color;
    g.beginPath();
    g.arc(point[0] * width, point[1] * height, 9 * scale, 0, 2 * Math.PI);
    g.fill();
  }
}
