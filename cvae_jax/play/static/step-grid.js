// The steps of a beat as a grid of buttons: clicked, dragged across, or moved over with the arrow keys.

import {nextStep, setStep, setTrack, solo, STEPS} from './pattern.js';

const STATES = ['silent', 'hit', 'accent'];

function make(tag, fields, ...children) {
  const element = Object.assign(document.createElement(tag), fields);
  element.append(...children);
  return element;
}

export class StepGrid {
  /**
   * @param {HTMLElement} root
   * @param {number} numTracks
   * @param {{onEdit: function(object, boolean), onChoose: function(number)}} calls of a beat, and whether
   *   its edit is complete; and of a track that is chosen
   */
  constructor(root, numTracks, calls) {
    this.root = root;
    this.calls = calls;
    this.beat = null;
    this.names = [];
    this.rows = Array.from({length: numTracks}, (_, k) => this.#addRow(k));
    this.rows[0].steps[0].tabIndex = 0;
    this.drag = null;
    root.addEventListener('pointerdown', (e) => this.#onDown(e));
    root.addEventListener('pointermove', (e) => this.#onMove(e));
    for (const name of ['pointerup', 'pointercancel']) root.addEventListener(name, (e) => this.#onEnd(e));
    root.addEventListener('keydown', (e) => this.#onKey(e));
  }

  #addRow(k) {
    const name = make('button', {className: 'track-name'});
    name.addEventListener('click', () => this.calls.onChoose(k));
    const mute = make('button', {className: 'mute', textContent: 'M'});
    mute.title = 'Mute; with Shift, mute all others';
    mute.addEventListener('click', ({shiftKey}) => {
      this.#change(shiftKey ? solo(this.beat, k) : setTrack(this.beat, k, {muted: !this.beat.tracks[k].muted}), true);
    });
    const level = make('input', {type: 'range', min: 0, max: 100, step: 1, className: 'level'});
    for (const event of ['input', 'change']) {
      level.addEventListener(event, () => this.#change(setTrack(this.beat, k, {level: Number(level.value)}), event === 'change'));
    }
    const steps = Array.from({length: STEPS}, (_, i) => {
      const step = make('button', {className: 'step', tabIndex: -1});
      Object.assign(step.dataset, {track: k, step: i});
      return step;
    });
    const line = make('div', {className: 'track-steps', role: 'group'}, ...steps);
    this.root.append(make('div', {className: 'track'}, make('div', {className: 'track-head'}, name, mute, level), line));
    return {name, mute, level, steps, line};
  }

  /** Shows a beat, with names of its tracks and the one that is chosen. */
  show(beat, names = this.names, chosen = this.chosen) {
    Object.assign(this, {beat, names, chosen});
    this.rows.forEach((row, k) => {
      const track = beat.tracks[k];
      row.name.textContent = names[k];
      row.name.setAttribute('aria-pressed', k === chosen);
      row.name.title = `Choose ${names[k]}: the controls below change it`;
      row.mute.setAttribute('aria-pressed', track.muted);
      row.mute.setAttribute('aria-label', `Mute ${names[k]}`);
      row.level.value = track.level;
      row.level.setAttribute('aria-label', `Level of ${names[k]}`);
      row.line.setAttribute('aria-label', `Steps of ${names[k]}`);
      row.line.classList.toggle('muted', track.muted);
      row.steps.forEach((step, i) => {
        step.dataset.state = track.steps[i];
        step.setAttribute('aria-label', `${names[k]}, step ${i + 1}: ${STATES[track.steps[i]]}`);
      });
    });
  }

  /** Marks the step that sounds; null for none. */
  mark(step) {
    if (step === this.marked) return;
    this.rows.forEach(({steps}) => {
      steps[this.marked]?.classList.remove('now');
      steps[step]?.classList.add('now');
    });
    this.marked = step;
  }

  #change(beat, isDone) {
    this.show(beat);
    this.calls.onEdit(beat, isDone);
  }

  #at(event) {
    return document.elementFromPoint(event.clientX, event.clientY)?.closest?.('.step') ?? null;
  }

  #paint(button) {
    const [k, i] = [Number(button.dataset.track), Number(button.dataset.step)];
    if (this.beat.tracks[k].steps[i] !== this.drag.value) this.#change(setStep(this.beat, k, i, this.drag.value), false);
  }

  #onDown(event) {
    const button = event.target.closest?.('.step');
    if (!button || event.button) return;
    event.preventDefault();
    this.root.setPointerCapture(event.pointerId);
    this.#focus(button);
    this.drag = {value: nextStep(Number(button.dataset.state)), before: this.beat, track: button.dataset.track};
    this.#paint(button);
  }

  #onMove(event) {
    if (!this.drag) return;
    const button = this.#at(event);
    if (button && button.dataset.track === this.drag.track) this.#paint(button);
  }

  #onEnd(event) {
    if (!this.drag) return;
    const {before} = this.drag;
    this.drag = null;
    // A finger that turns out to scroll the page has set no step.
    if (event.type === 'pointercancel') this.#change(before, false);
    else this.#change(this.beat, true);
  }

  #focus(button) {
    this.root.querySelector('.step[tabindex="0"]').tabIndex = -1;
    button.tabIndex = 0;
    button.focus({preventScroll: true});
  }

  #onKey(event) {
    const button = event.target.closest?.('.step');
    if (!button || event.ctrlKey || event.metaKey || event.altKey) return;
    const [k, i] = [Number(button.dataset.track), Number(button.dataset.step)];
    const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -i], End: [0, STEPS - 1 - i]};
    if (moves[event.key]) {
      const [down, right] = moves[event.key];
      this.#focus(this.rows[(k + down + this.rows.length) % this.rows.length].steps[(i + right + STEPS) % STEPS]);
    } else if (event.key === ' ' || event.key === 'Enter') {
      if (!event.repeat) this.#change(setStep(this.beat, k, i, nextStep(this.beat.tracks[k].steps[i])), true);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
