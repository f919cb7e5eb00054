// Undo and redo history of texts, the newest last.

export class History {
  #texts = [];
  #at = -1;

  constructor(limit = 200) {
    this.limit = limit;
  }

  get canUndo() {
    return this.#at > 0;
  }

  get canRedo() {
    return this.#at < this.#texts.length - 1;
  }

  /** Adds a text and discards the undone ones; false if it equals the current text. */
  push(text) {
    if (this.#texts[this.#at] === text) return false;
    this.#texts.length = this.#at + 1;
    this.#texts.push(text);
    if (this.#texts.length > this.limit) this.#texts.shift();
    this.#at = this.#texts.length - 1;
    return true;
  }

  /** The text `steps` ahead, or back if negative; undefined if there is none. */
  travel(steps) {
    const at = this.#at + steps;
    if (at < 0 || at >= this.#texts.length) return undefined;
    this.#at = at;
    return this.#texts[at];
  }
}
