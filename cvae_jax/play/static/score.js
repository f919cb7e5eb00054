// Scores as notes in steps: their edits, what is played in, and their text in a link. Notes are never changed in place.
//
// A score is an object of rows by voice: of a melody [start, end, pitch] of each note, of drums [step, class].

export const SLOTS = 'ABCD';
export const TEMPO = [30, 300]; // quarter notes per minute
export const STRIP = [5, 9]; // scores of a strip

const byStart = (a, b) => a[0] - b[0] || a[1] - b[1];
const clamp = (value, [low, high]) => Math.min(high, Math.max(low, value));

/** Whether a voice is percussion. */
export const isDrums = (voice) => voice.name === 'drums';

/** Seconds of a step at a tempo. */
export const stepSeconds = (form, tempo) => 60 / (tempo * form.quarter_steps);

export const silence = (form) => Object.fromEntries(form.voices.map(({name}) => [name, []]));

export const isSilent = (notes) => Object.values(notes).every((rows) => !rows.length);

/** A melody with a note, before which others end; those that begin while it lasts are left out. */
export function putNote(rows, [start, end, pitch]) {
  const others = rows
    .filter((row) => row[0] < start || row[0] >= end)
    .map((row) => (row[0] < start && row[1] > start ? [row[0], start, row[2]] : row));
  return [...others, [start, end, pitch]].sort(byStart);
}

/** The note of a melody that sounds at a step, at a pitch if one is given; undefined for none. */
export const noteAt = (rows, step, pitch = null) =>
  rows.find((row) => row[0] <= step && step < row[1] && (pitch === null || row[2] === pitch));

export const removeNote = (rows, note) => rows.filter((row) => row !== note);

export const hasStroke = (rows, step, kind) => rows.some((row) => row[0] === step && row[1] === kind);

/** Drums with a stroke, or without it. */
export function setStroke(rows, step, kind, isOn) {
  const others = rows.filter((row) => row[0] !== step || row[1] !== kind);
  return (isOn ? [...others, [step, kind]] : others).sort(byStart);
}

/**
 * What was played in, on the grid: the nearest steps, one note at a time of a melody.
 * @param {{start: number, end: number, pitch: number}[]} played seconds from the start of the score; of drums
 *   `pitch` is a class
 * @param {object} voice
 * @param {number} step_s seconds of a step
 * @param {number} numSteps
 */
export function quantise(played, voice, step_s, numSteps) {
  let rows = [];
  for (const {start, end, pitch} of [...played].sort((a, b) => a.start - b.start)) {
    const first = Math.round(start / step_s) || 0; // Not -0.
    if (first < 0 || first >= numSteps || pitch < voice.low || pitch > voice.high) continue;
    if (isDrums(voice)) rows = setStroke(rows, first, pitch, true);
    else rows = putNote(rows, [first, clamp(Math.round(end / step_s), [first + 1, numSteps]), pitch]);
  }
  return rows;
}

/** The pitches, or classes, that a roll shows of a voice: an octave and a half at least. */
export function rangeOf(rows, voice, least = 18) {
  if (isDrums(voice)) return [voice.low, voice.high];
  const pitches = rows.map((row) => row[2]);
  let low = Math.min(...pitches, ...(pitches.length ? [] : [60])) - 2;
  let high = Math.max(...pitches, ...(pitches.length ? [] : [72])) + 2;
  const missing = Math.max(0, least - (high - low));
  low -= Math.ceil(missing / 2);
  high += Math.floor(missing / 2);
  const shift = Math.max(0, voice.low - low) - Math.max(0, high - voice.high);
  return [Math.max(voice.low, low + shift), Math.min(voice.high, high + shift)];
}

// ---- text in a link

const toPart = (text) => encodeURIComponent(text).replaceAll('~', '%7E').replaceAll('!', '%21');

const toWord = (value, size = 2) => value.toString(36).padStart(size, '0');

function voiceToText(rows, voice, numSteps) {
  if (!isDrums(voice)) return rows.map(([start, end, pitch]) => toWord(start) + toWord(end) + toWord(pitch)).join('');
  const bits = Array(numSteps).fill(0);
  for (const [step, kind] of rows) bits[step] |= 1 << kind;
  return rows.length ? bits.map((value) => toWord(value)).join('') : '';
}

function voiceFromText(text, voice, numSteps) {
  const size = isDrums(voice) ? 2 : 6;
  if (!/^[0-9a-z]*$/.test(text) || text.length % size) return null;
  const words = (text.match(/../g) ?? []).map((word) => parseInt(word, 36));
  if (isDrums(voice)) {
    if (words.length > numSteps || words.some((bits) => bits >> (voice.high + 1))) return null;
    return words.flatMap((bits, step) =>
      Array.from({length: voice.high + 1}, (_, kind) => kind).filter((kind) => bits & (1 << kind)).map((kind) => [step, kind]));
  }
  const rows = Array.from({length: words.length / 3}, (_, i) => words.slice(3 * i, 3 * i + 3));
  const isLine = rows.every(([start, end, pitch], i) =>
    start >= (i ? rows[i - 1][1] : 0) && start < end && end <= numSteps && pitch >= voice.low && pitch <= voice.high);
  return isLine ? rows : null;
}

export const notesToText = (notes, form) =>
  form.voices.map((voice) => voiceToText(notes[voice.name], voice, form.num_steps)).join('_');

/** The notes of a text; null if it is none. */
export function notesFromText(text, form) {
  const parts = text.split('_');
  if (parts.length !== form.voices.length) return null;
  const rows = parts.map((part, i) => voiceFromText(part, form.voices[i], form.num_steps));
  return rows.includes(null) ? null : Object.fromEntries(form.voices.map(({name}, i) => [name, rows[i]]));
}

function slotToText({seed, temperature, notes, attributes}, form) {
  const source = notes ? `n${notesToText(notes, form)}` : `s${seed}_${temperature}`;
  const moved = Object.entries(attributes).filter(([, amount]) => amount);
  return [source, ...moved.map(([name, amount]) => `${toPart(name)}:${amount}`)].join('!');
}

function slotFromText(text, form) {
  const [source, ...moved] = text.split('!');
  const attributes = {};
  for (const part of moved) {
    const [name, amount] = part.split(':');
    const value = Number(amount);
    if (!form.attributes.includes(decodeURIComponent(name)) || !(Math.abs(value) <= 5)) continue;
    attributes[decodeURIComponent(name)] = value;
  }
  if (source[0] === 'n') {
    const notes = notesFromText(source.slice(1), form);
    return notes && {notes, attributes};
  }
  const found = /^s(\d{1,10})_(\d(?:\.\d{1,2})?)$/.exec(source);
  if (!found || Number(found[1]) >= 2 ** 32) return null;
  return {seed: Number(found[1]), temperature: clamp(Number(found[2]), [0, 3]), attributes};
}

/** The state of the page as the fragment of a link. */
export function toLink({tempo, steps, point, family, labels, slots}, form) {
  const head = [tempo, steps, ...point.map((x) => Math.round(100 * x))].join('_');
  const rest = [family ?? '', Object.keys(labels).length ? JSON.stringify(labels) : ''].map(toPart);
  return `#scores=${[head, ...rest, ...slots.map((slot) => slotToText(slot, form))].join('~')}`;
}

/** The state of a link; null if it has none, or an invalid one. */
export function fromLink(hash, form) {
  if (!hash.startsWith('#scores=')) return null;
  try {
    const [head, family, labels, ...texts] = hash.slice('#scores='.length).split('~');
    const [tempo, steps, x, y] = head.split('_').map(Number);
    const slots = texts.map((text) => slotFromText(text, form));
    if (slots.length !== SLOTS.length || slots.includes(null) || [tempo, steps, x, y].some((n) => !Number.isInteger(n))) return null;
    return {
      tempo: clamp(tempo, TEMPO),
      steps: clamp(steps, STRIP),
      point: [x, y].map((value) => clamp(value / 100, [0, 1])),
      family: decodeURIComponent(family) || null,
      labels: labels ? JSON.parse(decodeURIComponent(labels)) : {},
      slots,
    };
  } catch {
    return null;
  }
}
