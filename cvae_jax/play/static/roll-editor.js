// A roll to draw a score in: by mouse or touch, or by the arrow keys.

import {noteName} from './keyboard.js';
import {drawLarge, rowsOf} from './roll.js';
import {hasStroke, isDrums, noteAt, putNote, rangeOf, removeNote, setStroke} from './score.js';

const MOST_ROWS = 30; // of pitches that are shown
const EDGE = 0.35; // of a step: the end of a note, which a drag moves

export class RollEditor {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} form of the scores
   * @param {{onEdit: function(object, boolean), onTouch: function(number), onCell: function(string)}} calls of
   *   notes, and whether their edit is complete; of a pitch or class that is set; and of a cell in words
   */
  constructor(canvas, form, calls) {
    Object.assign(this, {canvas, form, calls});
    this.voice = form.voices[0];
    this.notes = null;
    this.range = null;
    this.step = null;
    this.cell = null; // that the arrow keys have moved to
    this.drag = null;
    canvas.addEventListener('pointerdown', (e) => this.#onDown(e));
    canvas.addEventListener('pointermove', (e) => this.#onMove(e));
    for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, (e) => this.#onEnd(e));
    canvas.addEventListener('keydown', (e) => this.#onKey(e));
    canvas.addEventListener('blur', () => this.#point(null));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  get #rows() {
    return this.notes[this.voice.name];
  }

  /** Shows notes; the pitches that are seen change where notes would not be. */
  show(notes, voice = this.voice) {
    const isOther = voice !== this.voice;
    Object.assign(this, {notes, voice});
    const found = rangeOf(this.#rows, voice, MOST_ROWS - 6);
    const isSeen = this.range && this.#rows.every((row) => isDrums(voice) || (row[2] >= this.range[0] && row[2] <= this.range[1]));
    if (isOther || !isSeen) this.range = found;
    this.draw();
  }

  /** Shows other pitches. */
  shift(semitones) {
    if (isDrums(this.voice)) return;
    const {low, high} = this.voice;
    const by = Math.max(low - this.range[0], Math.min(high - this.range[1], semitones));
    this.range = this.range.map((pitch) => pitch + by);
    this.draw();
  }

  mark(step) {
    if (step === this.step) return;
    this.step = step;
    this.draw();
  }

  draw() {
    if (!this.notes || !this.canvas.clientWidth) return;
    const {step, cell} = this;
    drawLarge(this.canvas, this.notes, this.form, this.voice, this.range, {step, cell});
  }

  #cellOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const rows = rowsOf(this.voice, this.range);
    const at = ((event.clientX - box.left) / box.width) * this.form.num_steps;
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows.count);
    const clamp = (value, most) => Math.max(0, Math.min(most, value));
    return {at, step: clamp(Math.floor(at), this.form.num_steps - 1), value: rows.valueAt(clamp(row, rows.count - 1))};
  }

  #put(rows, isDone) {
    this.notes = {...this.notes, [this.voice.name]: rows};
    this.draw();
    this.calls.onEdit(this.notes, isDone);
  }

  #onDown(event) {
    if (event.button || !this.notes) return;
    event.preventDefault();
    this.canvas.focus({preventScroll: true});
    this.#point(null);
    this.canvas.setPointerCapture(event.pointerId);
    const cell = this.#cellOf(event);
    const rows = this.#rows;
    if (isDrums(this.voice)) {
      const isOn = !hasStroke(rows, cell.step, cell.value);
      this.drag = {kind: 'paint', isOn, before: this.notes, value: cell.value};
      if (isOn) this.calls.onTouch(cell.value);
      return this.#put(setStroke(rows, cell.step, cell.value, isOn), false);
    }
    const note = noteAt(rows, cell.step, cell.value);
    const kind = !note ? 'draw' : note[1] - cell.at < EDGE ? 'resize' : 'move';
    const others = note ? removeNote(rows, note) : rows;
    this.drag = {kind, others, before: this.notes, cell, note: note ?? [cell.step, cell.step + 1, cell.value], isMoved: false};
    this.calls.onTouch(cell.value);
    if (!note) this.#put(putNote(others, this.drag.note), false);
    return undefined;
  }

  #onMove(event) {
    if (!this.drag) return;
    const {kind, others, note} = this.drag;
    const cell = this.#cellOf(event);
    if (kind === 'paint') {
      const {isOn, value} = this.drag;
      if (hasStroke(this.#rows, cell.step, value) !== isOn) this.#put(setStroke(this.#rows, cell.step, value, isOn), false);
      return;
    }
    const from = this.drag.cell;
    if (cell.step === from.step && cell.value === from.value && !this.drag.isMoved) return;
    this.drag.isMoved = true;
    this.#put(putNote(others, kind === 'move' ? this.#moved(note, cell, from) : [note[0], Math.max(note[0] + 1, cell.step + 1), note[2]]), false);
  }

  #moved([start, end, pitch], cell, from) {
    const by = Math.max(-start, Math.min(this.form.num_steps - end, cell.step - from.step));
    const {low, high} = this.voice;
    return [start + by, end + by, Math.max(low, Math.min(high, pitch + cell.value - from.value))];
  }

  #onEnd(event) {
    if (!this.drag) return;
    const {kind, others, before, isMoved} = this.drag;
    this.drag = null;
    if (event.type === 'pointercancel') {
      this.notes = before;
      this.draw();
      this.calls.onEdit(before, false);
    } else if (kind === 'move' && !isMoved) {
      this.#put(others, true); // A click removes a note.
    } else {
      this.calls.onEdit(this.notes, true);
    }
  }

  #point(cell) {
    if (cell === this.cell) return;
    this.cell = cell;
    this.draw();
    if (!cell) return;
    const name = isDrums(this.voice) ? this.voice.classes[cell.value] : noteName(cell.value);
    const isOn = isDrums(this.voice) ? hasStroke(this.#rows, cell.step, cell.value) : Boolean(noteAt(this.#rows, cell.step, cell.value));
    this.calls.onCell(`step ${cell.step + 1}, ${name}${isOn ? ', set' : ''}`);
  }

  #onKey(event) {
    if (!this.notes || event.ctrlKey || event.metaKey || event.altKey) return;
    const cell = this.cell ?? {step: 0, value: isDrums(this.voice) ? this.range[0] : Math.round((this.range[0] + this.range[1]) / 2)};
    const by = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
    if (by && event.shiftKey && by[0]) this.#lengthen(cell, by[0]);
    else if (by) this.#go(cell, by);
    else if (event.key === ' ' || event.key === 'Enter') this.#toggle(cell);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #go(cell, [right, up]) {
    const {low, high} = this.voice;
    const value = Math.max(low, Math.min(high, cell.value + (this.cell ? up : 0)));
    const step = Math.max(0, Math.min(this.form.num_steps - 1, cell.step + (this.cell ? right : 0)));
    if (value < this.range[0] || value > this.range[1]) this.shift(up);
    this.#point({step, value});
  }

  #toggle(cell) {
    const rows = this.#rows;
    const isOn = isDrums(this.voice) ? hasStroke(rows, cell.step, cell.value) : noteAt(rows, cell.step, cell.value);
    if (!isOn) this.calls.onTouch(cell.value);
    if (isDrums(this.voice)) this.#put(setStroke(rows, cell.step, cell.value, !isOn), true);
    else this.#put(isOn ? removeNote(rows, isOn) : putNote(rows, [cell.step, cell.step + 1, cell.value]), true);
    this.#point({...cell});
  }

  #lengthen(cell, by) {
    const note = isDrums(this.voice) ? undefined : noteAt(this.#rows, cell.step, cell.value);
    if (!note) return;
    const end = Math.max(note[0] + 1, Math.min(this.form.num_steps, note[1] + by));
    this.#put(putNote(removeNote(this.#rows, note), [note[0], end, note[2]]), true);
    this.#point({...cell});
  }
}
