// A piano keyboard: turns mouse, touch, computer keys and MIDI into calls of onDown and onUp.

const BLACK = new Set([1, 3, 6, 8, 10]);
const NAMES = ['C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B'];
// Physical keys, independent of the keyboard layout, in semitones above the lowest C.
const CODES = [
  'KeyA', 'KeyW', 'KeyS', 'KeyE', 'KeyD', 'KeyF', 'KeyT', 'KeyG', 'KeyY', 'KeyH', 'KeyU', 'KeyJ',
  'KeyK', 'KeyO', 'KeyL', 'KeyP', 'Semicolon',
];

const BEND_SEMITONES = 2; // of a bend wheel at its end, unless a keyboard is set otherwise

const bendOf = (low, high) => (BEND_SEMITONES * (low + 128 * high - 8192)) / 8192;

export const noteName = (pitch) => `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;

/** The strength of a stroke at a depth of a key: from 0 at its top to 1 at its bottom. */
const strengthAt = (depth) => 0.55 + 0.45 * Math.min(1, Math.max(0, depth * 1.2));

export class Keyboard {
  /**
   * @param {HTMLElement} root
   * @param {{onDown: function(number, number), onUp: function(number), onShift: function(),
   *   onPress: ?function(number, ?number), onBend: ?function(number), onControl: ?function(string, number)}} calls
   *   the arguments are the pitch and the strength of the stroke (0 to 1). While keys are held: `onPress`, a
   *   strength and the pitch, or null for all; `onBend`, semitones; `onControl`, 'swell' or 'vibrato' (0 to 1)
   */
  constructor(root, calls) {
    this.root = root;
    this.calls = calls;
    this.first = 48;
    this.keys = new Map(); // pitch to button
    this.pointers = new Map(); // pointer to the pitch that it plays
    this.codes = new Map(); // computer key to the pitch that it plays
    this.inputs = new Map(); // MIDI input to its pressed pitches and its pedal
    this.trained = null;
    this.usesCodes = true; // whether the computer's keys are keys
    root.addEventListener('pointerdown', (e) => this.#onPointer(e));
    root.addEventListener('pointermove', (e) => {
      if (this.pointers.has(e.pointerId)) this.#onPointer(e);
    });
    for (const name of ['pointerup', 'pointercancel', 'lostpointercapture']) {
      root.addEventListener(name, (e) => this.#leave(e.pointerId));
    }
    root.addEventListener('contextmenu', (e) => e.preventDefault());
    document.addEventListener('keydown', (e) => this.#onKey(e));
    document.addEventListener('keyup', (e) => this.#onKeyUp(e));
    window.addEventListener('blur', () => this.releaseAll());
    new ResizeObserver(() => this.draw()).observe(root);
  }

  get octaves() {
    return Math.max(1, Math.min(4, Math.floor(this.root.clientWidth / 280)));
  }

  get pitches() {
    const count = 12 * this.octaves + 1;
    return Array.from({length: count}, (_, i) => this.first + i).filter((p) => p <= 127);
  }

  shift(octaves) {
    const first = this.first + 12 * octaves;
    if (first < 0 || first + 12 > 127) return;
    this.releaseAll();
    this.first = first;
    this.draw();
    this.calls.onShift();
  }

  draw() {
    const pitches = this.pitches;
    const shown = `${pitches[0]}-${pitches.length}`;
    if (this.shown === shown) return;
    this.shown = shown;
    const focused = document.activeElement?.dataset?.pitch;
    const whites = pitches.filter((p) => !BLACK.has(p % 12)).length;
    let position = 0;
    this.keys.clear();
    const buttons = pitches.map((pitch) => {
      const button = document.createElement('button');
      const black = BLACK.has(pitch % 12);
      button.dataset.pitch = pitch;
      button.setAttribute('aria-label', noteName(pitch));
      button.classList.toggle('black', black);
      button.style.width = `${(100 / whites) * (black ? 0.6 : 1)}%`;
      button.style.left = `${(100 / whites) * (black ? position - 0.3 : position)}%`;
      if (!black) position += 1;
      if (pitch % 12 === 0) button.textContent = noteName(pitch);
      if (this.trained && (pitch < this.trained[0] || pitch > this.trained[1])) {
        button.classList.add('untrained');
        button.title = 'This pitch is outside the range that the run was trained on';
      }
      // One tab stop for the whole keyboard; arrow keys move between keys.
      button.tabIndex = pitch === pitches[0] ? 0 : -1;
      this.keys.set(pitch, button);
      return button;
    });
    this.root.replaceChildren(...buttons);
    if (focused && this.keys.has(+focused)) this.keys.get(+focused).focus();
    this.calls.onShift();
  }

  mark(pitch, name, on) {
    this.keys.get(pitch)?.classList.toggle(name, on);
  }

  #onPointer(event) {
    const found = document.elementFromPoint(event.clientX, event.clientY);
    const button = found?.closest('#keyboard button[data-pitch]');
    const pitch = button ? +button.dataset.pitch : null;
    if (event.type === 'pointerdown') {
      event.preventDefault();
      this.root.setPointerCapture(event.pointerId);
    }
    const box = button?.getBoundingClientRect();
    const strength = box && strengthAt((event.clientY - box.top) / box.height);
    if (this.pointers.get(event.pointerId) === pitch) {
      if (pitch !== null) this.calls.onPress?.(strength, pitch);
      return;
    }
    // The next key is pressed before the last one is released, so that a line is slurred.
    const before = this.pointers.get(event.pointerId) ?? null;
    this.pointers.set(event.pointerId, pitch);
    if (pitch !== null) this.#down(pitch, strength);
    if (before !== null) this.#up(before);
  }

  #leave(pointer) {
    const pitch = this.pointers.get(pointer);
    this.pointers.delete(pointer);
    if (pitch !== null && pitch !== undefined) this.#up(pitch);
  }

  #down(pitch, strength) {
    this.mark(pitch, 'down', true);
    this.calls.onDown(pitch, strength);
  }

  #up(pitch) {
    this.mark(pitch, 'down', false);
    this.calls.onUp(pitch);
  }

  #onKey(event) {
    if (!this.usesCodes) return;
    const typing = event.target.closest?.('input:not([type=range]):not([type=checkbox]), select, textarea');
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const button = event.target.closest?.('#keyboard button[data-pitch]');
    if (button && ['ArrowLeft', 'ArrowRight'].includes(event.key)) {
      const next = this.keys.get(+button.dataset.pitch + (event.key === 'ArrowRight' ? 1 : -1));
      next?.focus();
      event.preventDefault();
      return;
    }
    if (event.code === 'KeyZ') return this.shift(-1);
    if (event.code === 'KeyX') return this.shift(1);
    let pitch = null;
    if (button && (event.key === 'Enter' || event.key === ' ')) pitch = +button.dataset.pitch;
    else if (CODES.includes(event.code)) pitch = this.first + CODES.indexOf(event.code);
    if (pitch === null || pitch > 127) return;
    event.preventDefault();
    if (event.repeat || this.codes.has(event.code)) return;
    this.codes.set(event.code, pitch);
    this.#down(pitch, 0.9);
  }

  #onKeyUp(event) {
    if (!this.codes.has(event.code)) return;
    const pitch = this.codes.get(event.code);
    this.codes.delete(event.code);
    this.#up(pitch);
  }

  releaseAll() {
    for (const pitch of [...this.codes.values(), ...this.pointers.values()]) {
      if (pitch !== null) this.#up(pitch);
    }
    this.codes.clear();
    this.pointers.clear();
  }

  /**
   * Listens to every MIDI input.
   * @param {function(string)} say called with a description of the inputs
   * @param {function(boolean)} onPedal called with whether any pedal is down
   * @param {function()} onPanic called when all sound should stop: CC120, CC123 and similar
   */
  async listenToMidi(say, onPedal, onPanic = () => {}) {
    if (!navigator.requestMIDIAccess) return;
    let access;
    try {
      access = await navigator.requestMIDIAccess();
    } catch {
      return;
    }
    const calls = {onPedal, onPanic};
    const connect = () => {
      const there = [...access.inputs.values()].filter((input) => input.state !== 'disconnected');
      const ids = new Set(there.map((input) => input.id));
      for (const id of this.inputs.keys()) if (!ids.has(id)) this.#forget(id, onPedal);
      for (const input of there) {
        if (!this.inputs.has(input.id)) this.inputs.set(input.id, {pitches: new Set(), pedal: false});
        input.onmidimessage = ({data}) => this.#onMidi(input.id, data, calls);
      }
      const names = there.map((input) => input.name);
      say(names.length ? `MIDI: ${names.join(', ')}` : 'MIDI: no keyboard');
    };
    access.onstatechange = connect;
    connect();
  }

  #onMidi(id, [status, first, second], {onPedal, onPanic}) {
    const input = this.inputs.get(id);
    if (!input) return;
    const kind = status & 0xf0;
    if (kind === 0x90 && second > 0) {
      input.pitches.add(first);
      this.#down(first, second / 127);
    } else if (kind === 0x80 || kind === 0x90) {
      this.#midiUp(input, first);
    } else if (kind === 0xe0) {
      this.calls.onBend?.(bendOf(first, second));
    } else if (kind === 0xd0) {
      this.calls.onPress?.(first / 127, null); // Of all keys.
    } else if (kind === 0xa0) {
      this.calls.onPress?.(second / 127, first);
    } else if (kind === 0xb0 && first === 1) {
      this.calls.onControl?.('vibrato', second / 127);
    } else if (kind === 0xb0 && (first === 2 || first === 11)) {
      this.calls.onControl?.('swell', second / 127); // Breath, or expression.
    } else if (kind === 0xb0 && first === 64) {
      this.#movePedal(input, second >= 64, onPedal);
    } else if (kind === 0xb0 && first === 121) {
      this.#movePedal(input, false, onPedal); // Reset all controllers.
    } else if (status === 0xff || (kind === 0xb0 && (first === 120 || first >= 123))) {
      this.#letGo(input, onPedal); // Reset, all sound off, all notes off, or mode change.
      onPanic();
    }
  }

  /** Releases a key of one MIDI input; the note stops unless another input holds it. */
  #midiUp(input, pitch) {
    input.pitches.delete(pitch);
    if (![...this.inputs.values()].some((other) => other.pitches.has(pitch))) this.#up(pitch);
  }

  #movePedal(input, down, onPedal) {
    input.pedal = down;
    onPedal([...this.inputs.values()].some((other) => other.pedal));
  }

  #letGo(input, onPedal) {
    for (const pitch of [...input.pitches]) this.#midiUp(input, pitch);
    if (input.pedal) this.#movePedal(input, false, onPedal);
  }

  /** Removes a disconnected input and releases its keys and pedal. */
  #forget(id, onPedal) {
    const input = this.inputs.get(id);
    this.inputs.delete(id);
    this.#letGo(input, onPedal);
  }
}
