// What the page of scores shows: the strip's tiles, the tabs, the names of the roll's rows, sliders of attributes.

import {$} from './controls.js';
import {noteName} from './keyboard.js';
import {drawSmall, rangesOf} from './roll.js';
import {isDrums, SLOTS} from './score.js';

const REACH = 2; // of an attribute's slider, in vectors

const TITLES = {mode: 'Minor', c_diatonic: 'In C major', diatonic: 'In one key', syncopation_16th: 'Syncopation (16ths)', syncopation_8th: 'Syncopation (8ths)'};

const toTitle = (name) => TITLES[name] ?? (name[0].toUpperCase() + name.slice(1)).replaceAll('_', ' ');

function makeTile(text, onClick) {
  const tile = document.createElement('button');
  tile.className = 'tile';
  tile.append(document.createElement('canvas'), document.createTextNode(text));
  tile.setAttribute('aria-label', `Play ${text}`);
  tile.addEventListener('click', onClick);
  return tile;
}

export class StripView {
  /** `onClick` gets the number of a tile. */
  constructor(root, form, onClick) {
    Object.assign(this, {root, form, onClick, tiles: [], scores: []});
    this.now = null; // the tile that sounds
    new ResizeObserver(() => this.#drawAll()).observe(root);
  }

  show(scores, chosen) {
    if (scores.length !== this.tiles.length) {
      const name = (i) => (i === 0 ? 'A' : i === scores.length - 1 ? 'B' : String(i));
      this.tiles = scores.map((_, i) => makeTile(name(i), () => this.onClick(i)));
      this.root.replaceChildren(...this.tiles);
      this.root.style.setProperty('--count', scores.length);
    }
    this.scores = scores;
    this.ranges = rangesOf(scores.map(({notes}) => notes), this.form); // Of all, so that they can be compared.
    this.tiles.forEach((tile, i) => tile.setAttribute('aria-pressed', i === chosen));
    this.#drawAll();
  }

  #draw(i, step) {
    drawSmall(this.tiles[i].firstChild, this.scores[i].notes, this.form, step, this.ranges);
  }

  #drawAll() {
    this.tiles.forEach((_, i) => this.#draw(i, null));
  }

  /** Marks a step of a tile; null for none. */
  mark(tile, step) {
    if (this.now !== null && this.now !== tile && this.tiles[this.now]) {
      this.tiles[this.now].classList.remove('now');
      this.#draw(this.now, null);
    }
    this.now = step === null ? null : tile;
    if (tile === null || !this.tiles[tile]) return;
    this.tiles[tile].classList.toggle('now', step !== null);
    this.#draw(tile, step);
  }
}

/** The tabs of the scores that are edited; `onChoose` gets their numbers. */
export function addTabs(onChoose) {
  $('tabs').replaceChildren(...[...SLOTS].map((name, i) => {
    const tab = document.createElement('button');
    tab.textContent = name;
    tab.setAttribute('aria-label', `Edit ${name}`);
    tab.addEventListener('click', () => onChoose(i));
    return tab;
  }));
}

/** Shows which score is edited. */
export function showSlot(slot) {
  [...$('tabs').children].forEach((tab, i) => tab.setAttribute('aria-pressed', i === slot));
  $('editor-title').textContent = `Score ${SLOTS[slot]}`;
  $('attributes-name').textContent = SLOTS[slot];
}

/** Shows the names of a roll's rows at its side: of every C, or of the classes of drums. */
export function showRowNames(voice, [low, high]) {
  const names = [];
  for (let value = low; value <= high; value++) {
    if (!isDrums(voice) && value % 12) continue;
    const name = document.createElement('span');
    name.textContent = isDrums(voice) ? voice.classes[value] : noteName(value);
    name.style.top = `${(100 * (high - value + 0.5)) / (high - low + 1)}%`;
    names.push(name);
  }
  $('keys').classList.toggle('of-drums', isDrums(voice));
  $('keys').replaceChildren(...names);
}

/** Adds the sliders of attributes; `onChange` gets a name, a value and whether the change is finished. */
export function addAttributes(names, onChange) {
  $('attributes-part').hidden = !names.length;
  for (const name of names) {
    const row = document.createElement('div');
    row.className = 'row';
    row.innerHTML = `<label for="attribute-${name}">${toTitle(name)}</label>
      <input id="attribute-${name}" type="range" min="${-REACH}" max="${REACH}" step="0.1" value="0"><output for="attribute-${name}"></output>`;
    $('attributes').append(row);
    const input = row.querySelector('input');
    for (const event of ['input', 'change']) input.addEventListener(event, () => onChange(name, Number(input.value), event === 'change'));
  }
}

export function showAttributes(names, amounts) {
  for (const name of names) {
    const value = amounts[name] ?? 0;
    $(`attribute-${name}`).value = value;
    document.querySelector(`output[for="attribute-${name}"]`).textContent = value > 0 ? `+${value}` : String(value);
  }
}
