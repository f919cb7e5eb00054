// The pads of a drum machine: struck by mouse, touch and the computer's keys.

const CODES = ['KeyA', 'KeyS', 'KeyD', 'KeyF', 'KeyG', 'KeyH', 'KeyJ', 'KeyK', 'KeyL'];
const SHOWN_MS = 90; // that a stroke is seen

export class DrumPads {
  /**
   * @param {HTMLElement} root
   * @param {number} numPads
   * @param {{onStrike: function(number, boolean), onPlay: function()}} calls of a pad, and whether it is pointed
   *   at; and of the space bar
   */
  constructor(root, numPads, calls) {
    this.calls = calls;
    this.pads = Array.from({length: numPads}, (_, k) => {
      const pad = document.createElement('button');
      pad.className = 'pad';
      pad.innerHTML = `<span></span><kbd>${CODES[k].slice(3)}</kbd>`;
      pad.addEventListener('pointerdown', (event) => {
        if (event.button) return;
        pad.releasePointerCapture?.(event.pointerId);
        calls.onStrike(k, true);
      });
      pad.addEventListener('keydown', (event) => {
        if (event.key !== ' ' && event.key !== 'Enter') return;
        event.preventDefault();
        event.stopPropagation();
        if (!event.repeat) calls.onStrike(k, true);
      });
      return pad;
    });
    root.classList.add('pads');
    root.setAttribute('aria-label', 'Pads');
    root.replaceChildren(...this.pads);
    document.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** Shows the names of the pads, and the one that is chosen. */
  show(names, chosen) {
    this.pads.forEach((pad, k) => {
      pad.querySelector('span').textContent = names[k];
      pad.setAttribute('aria-pressed', k === chosen);
    });
  }

  setWaiting(pad, waits) {
    this.pads[pad].classList.toggle('waiting', waits);
  }

  /** Lights a pad up. */
  flash(pad) {
    const button = this.pads[pad];
    button.classList.add('down');
    clearTimeout(button.timer);
    button.timer = setTimeout(() => button.classList.remove('down'), SHOWN_MS);
  }

  #onKey(event) {
    const typing = event.target.closest?.('input:not([type=range]):not([type=checkbox]), select, textarea');
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const pad = CODES.indexOf(event.code);
    if (pad >= 0 && pad < this.pads.length) this.calls.onStrike(pad, false);
    else if (event.code === 'Space' && !event.target.closest?.('button, input, label, summary')) this.calls.onPlay();
    else return;
    event.preventDefault();
  }
}
