// The pads of a drum machine: their sounds, kinds and percussion keys; and all of it in a link.

import {fromHash, normalize, toHash} from './link.js';
import {fromText, toText} from './pattern.js';

export const NUM_PADS = 8;
export const DEFAULT_KINDS = ['kick', 'snare', 'hihat_closed', 'hihat_open', 'clap', 'tom', 'cymbal', 'percussion', 'cowbell', 'rim'];
const TITLES = {hihat_closed: 'Closed hat', hihat_open: 'Open hat'};

const toTitle = (kind) => TITLES[kind] ?? kind[0].toUpperCase() + kind.slice(1).replaceAll('_', ' ');

/** The kinds of a sound, that of the largest weight first. */
export function kindsOf(sound) {
  const {kind} = sound.labels;
  if (typeof kind !== 'object') return kind === undefined ? [] : [kind];
  return Object.entries(kind).sort((a, b) => b[1] - a[1]).map(([name]) => name);
}

/** The name of a pad. */
export const nameOf = (sound) => kindsOf(sound).map(toTitle).join(' + ') || 'Drum';

/** The kinds that pads begin with, of those that a run knows. */
export function firstKinds(known) {
  const kinds = [...DEFAULT_KINDS.filter((kind) => known.includes(kind)), ...known.filter((kind) => !DEFAULT_KINDS.includes(kind))];
  return Array.from({length: NUM_PADS}, (_, i) => kinds[i % kinds.length]);
}

/**
 * A percussion key for each pad, no two alike: of its kind, or the next one that is free.
 * @param {object[]} sounds
 * @param {{key: number, kind: string, choke: number}[]} percussion keys of the run, the most usual ones first
 */
export function keysOf(sounds, percussion) {
  const taken = new Set();
  return sounds.map((sound) => {
    const free = percussion.filter(({key}) => !taken.has(key));
    const [kind] = kindsOf(sound);
    const found = free.find((entry) => entry.kind === kind) ?? free.find((entry) => entry.kind === 'percussion') ?? free[0];
    taken.add(found.key);
    return found;
  });
}

/** The pad that a MIDI key plays: the one that has it, or the first one of its kind; -1 for none. */
export function padOf(key, keys, percussion) {
  const exact = keys.findIndex((entry) => entry.key === key);
  if (exact >= 0) return exact;
  const kind = percussion.find((entry) => entry.key === key)?.kind;
  return keys.findIndex((entry) => entry.kind === kind);
}

/** Pads, beat and the chosen pad as the fragment of a link. */
export const toLink = ({sounds, beat, chosen}) =>
  `#beat=${toText(beat)}~${chosen}~${sounds.map((sound) => toHash(sound).slice(1)).join('~')}`;

/** Pads, beat and the chosen pad of a link; null if it has none. */
export function fromLink(hash) {
  const [text, chosen, ...words] = hash.replace(/^#beat=/, '').split('~');
  if (!hash.startsWith('#beat=') || words.length !== NUM_PADS) return null;
  const beat = fromText(text, NUM_PADS);
  const sounds = words.map((word) => (word ? fromHash(word) : normalize({})));
  if (!beat || sounds.includes(null)) return null;
  return {sounds, beat, chosen: Math.min(NUM_PADS - 1, Math.max(0, Math.floor(Number(chosen)) || 0))};
}
