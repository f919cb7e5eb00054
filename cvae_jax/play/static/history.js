// Undo and redo history of states, the newest last. States are equal if all of their fields are the same.

const areEqual = (a, b) => Object.keys(b).every((name) => a[name] === b[name]);

export class History {
  #states = [];
  #at = -1;

  constructor(limit = 200) {
    this.limit = limit;
  }

  get canUndo() {
    return this.#at > 0;
  }

  get canRedo() {
    return this.#at < this.#states.length - 1;
  }

  /** Adds a state and discards the undone ones; false if it equals the current one. */
  push(state) {
    if (this.#at >= 0 && areEqual(this.#states[this.#at], state)) return false;
    this.#states.length = this.#at + 1;
    this.#states.push(state);
    if (this.#states.length > this.limit) this.#states.shift();
    this.#at = this.#states.length - 1;
    return true;
  }

  /** The state `steps` ahead, or back if negative; undefined if there is none. */
  travel(steps) {
    const at = this.#at + steps;
    if (at < 0 || at >= this.#states.length) return undefined;
    this.#at = at;
    return this.#states[at];
  }
}
