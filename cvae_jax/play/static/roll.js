// Draws scores as piano rolls: rows of pitches, or of classes of drums, over steps.

import {isDrums, rangeOf} from './score.js';
import {fit} from './scope.js';

const BLACK = new Set([1, 3, 6, 8, 10]);
const COLORS = {melody: '--accent', bass: '--second', drums: '--ink'};

let colors = null; // of the page
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (colors = null));

/** Colours of the page, as they are now. */
function palette() {
  colors ??= readColors();
  return colors;
}

function readColors() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  // A colour of light-dark() is only resolved where it is used.
  const probe = document.body.appendChild(document.createElement('i'));
  const resolve = (name) => {
    probe.style.color = read(name);
    return getComputedStyle(probe).color;
  };
  const found = Object.fromEntries(['--accent', '--second', '--ink', '--line', '--soft'].map((name) => [name, resolve(name)]));
  probe.remove();
  return found;
}

/** The rows of a voice on a canvas: from a row, counted from the top, to a pitch or class, and back. */
export function rowsOf(voice, [low, high]) {
  const count = high - low + 1;
  // The bass drum is below, as low pitches are.
  return {count, valueAt: (row) => high - row, rowOf: (value) => high - value, low, high, isDrums: isDrums(voice)};
}

function drawGrid(g, form, rows, {width, height}) {
  const named = palette();
  const [w, h] = [width / form.num_steps, height / rows.count];
  const scale = window.devicePixelRatio || 1;
  g.fillStyle = named['--line'];
  for (let row = 0; row < rows.count; row++) {
    const value = rows.valueAt(row);
    if (rows.isDrums ? value % 2 : BLACK.has(value % 12)) {
      g.globalAlpha = 0.45;
      g.fillRect(0, row * h, width, h);
    }
    if (!rows.isDrums && value % 12 === 0) {
      g.globalAlpha = 1;
      g.fillRect(0, (row + 1) * h - scale / 2, width, scale);
    }
  }
  for (let step = 1; step < form.num_steps; step++) {
    const isBar = step % form.bar_steps === 0;
    g.globalAlpha = isBar ? 1 : step % form.quarter_steps === 0 ? 0.8 : 0.3;
    g.fillStyle = isBar ? named['--soft'] : named['--line'];
    g.fillRect(step * w - scale / 2, 0, isBar ? 1.5 * scale : scale, height);
  }
  g.globalAlpha = 1;
}

/** Draws the rows of a voice in a box of [x, y, width, height]. */
function drawRows(g, rows, notes, form, [left, top, width, height], color, least) {
  const [w, h] = [width / form.num_steps, height / rows.count];
  g.fillStyle = color;
  for (const note of notes) {
    const [start, end, value] = rows.isDrums ? [note[0], note[0] + 1, note[1]] : note;
    if (value < rows.low || value > rows.high) continue;
    const gap = Math.min(1.5, 0.2 * w);
    const tall = Math.max(least, h - gap);
    g.beginPath();
    g.roundRect(left + start * w + gap / 2, top + rows.rowOf(value) * h + (h - tall) / 2, (end - start) * w - gap, tall, Math.min(tall / 3, 3 * least));
    g.fill();
  }
}

/** The range of each voice that scores have together. */
export const rangesOf = (scores, form) =>
  form.voices.map((voice) => rangeOf(scores.flatMap((notes) => notes[voice.name]), voice));

/** Draws a score small, each of its voices in a part of the height; `box` is a part of the canvas. */
export function drawThumbnail(g, notes, form, box, ranges = rangesOf([notes], form)) {
  const named = palette();
  const [left, top, width, height] = box;
  const scale = window.devicePixelRatio || 1;
  g.fillStyle = named['--line'];
  for (let step = form.bar_steps; step < form.num_steps; step += form.bar_steps) g.fillRect(left + (step * width) / form.num_steps, top, scale, height);
  form.voices.forEach((voice, i) => {
    const part = height / form.voices.length;
    const rows = rowsOf(voice, ranges[i]);
    drawRows(g, rows, notes[voice.name], form, [left, top + i * part, width, part], named[COLORS[voice.name]], 2 * scale);
  });
}

/** Draws a score on a canvas of its own, with a cursor at a step. */
export function drawSmall(canvas, notes, form, step = null, ranges = undefined) {
  const g = fit(canvas);
  const {width, height} = canvas;
  const margin = 0.06 * height;
  const named = palette();
  if (notes) drawThumbnail(g, notes, form, [0, margin, width, height - 2 * margin], ranges);
  drawCursor(g, step, form, canvas);
}

export function drawCursor(g, step, form, {width, height}) {
  if (step === null) return;
  const named = palette();
  g.globalAlpha = 0.25;
  g.fillStyle = named['--ink'];
  g.fillRect((step * width) / form.num_steps, 0, width / form.num_steps, height);
  g.globalAlpha = 1;
}

/** Draws a voice large, the others behind it where they share its pitches; with a cell that is pointed at. */
export function drawLarge(canvas, notes, form, voice, range, {step = null, cell = null} = {}) {
  const g = fit(canvas);
  const named = palette();
  const rows = rowsOf(voice, range);
  const box = [0, 0, canvas.width, canvas.height];
  const scale = window.devicePixelRatio || 1;
  drawGrid(g, form, rows, canvas);
  for (const other of form.voices) {
    if (other.name === voice.name || isDrums(other) || rows.isDrums) continue;
    g.globalAlpha = 0.25;
    drawRows(g, rows, notes[other.name], form, box, named[COLORS[other.name]], scale);
    g.globalAlpha = 1;
  }
  drawRows(g, rows, notes[voice.name], form, box, named[COLORS[voice.name]], scale);
  drawCursor(g, step, form, canvas);
  if (!cell) return;
  g.strokeStyle = named['--ink'];
  g.lineWidth = 1.5 * scale;
  const [w, h] = [canvas.width / form.num_steps, canvas.height / rows.count];
  g.strokeRect(cell.step * w, rows.rowOf(cell.value) * h, w, h);
}
