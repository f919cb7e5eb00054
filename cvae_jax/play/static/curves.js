// Curves of latents, and what is done to them: mixed with others, scaled, shifted, drawn by hand.
//
// An edit is never changed: every change makes another one, so that a history can hold them all.

const FLATTEST = 0.05; // of the scales that a drawn value can be divided by

/**
 * The curves of a recording without changes.
 * @param {number[][]} curves a curve for each latent
 * @param {number} num_samples of their sound; 0 if there is none
 * @returns {{first: number[][], second: ?number[][], weight: number, num_samples: number, scale: number[],
 *   shift: number[], drawn: (?(?number)[])[]}} drawn values take the place of the recording's, before
 *   scale and shift
 */
export function begin(curves, num_samples) {
  return {
    first: curves, second: null, weight: 0, num_samples,
    scale: curves.map(() => 1), shift: curves.map(() => 0), drawn: curves.map(() => null),
  };
}

/** A curve between two, at a weight from 0 to 1; the shorter one begins anew where it ends. */
export function mix(first, second, weight) {
  if (!second) return first;
  const at = (curve, i) => curve[i % curve.length];
  return Array.from({length: Math.max(first.length, second.length)},
    (_, i) => (1 - weight) * at(first, i) + weight * at(second, i));
}

const unscaled = (edit, k) => {
  const mixed = mix(edit.first[k], edit.second?.[k], edit.weight);
  const drawn = edit.drawn[k];
  return drawn ? mixed.map((value, i) => drawn[i] ?? value) : mixed;
};

/** The curve of latent k as it is heard. */
export const heard = (edit, k) => unscaled(edit, k).map((value) => edit.scale[k] * value + edit.shift[k]);

/** All curves as they are heard, to the decimals that are sent. */
export const heardAll = (edit) =>
  edit.first.map((_, k) => heard(edit, k).map((value) => Math.round(value * 1e4) / 1e4));

/** The number of frames of every curve. */
export const count = (edit) => Math.max(edit.first[0].length, edit.second?.[0].length ?? 0);

const replaced = (list, k, value) => list.map((old, i) => (i === k ? value : old));

/** The edit with fields of latent k, such as {scale: 0.5}. */
export function set(edit, k, fields) {
  const changed = Object.entries(fields).map(([name, value]) => [name, replaced(edit[name], k, value)]);
  return {...edit, ...Object.fromEntries(changed)};
}

/** The edit with values of latent k as they are to be heard, from frame `start` on. */
export function place(edit, k, start, values) {
  // What a scale of 0 has levelled cannot be drawn on: its level becomes what is drawn.
  const isFlat = Math.abs(edit.scale[k]) < FLATTEST;
  const [scale, shift] = isFlat ? [1, 0] : [edit.scale[k], edit.shift[k]];
  const drawn = isFlat ? heard(edit, k) : Array.from({length: count(edit)}, (_, i) => edit.drawn[k]?.[i] ?? null);
  values.forEach((value, i) => (drawn[start + i] = (value - shift) / scale));
  return set(edit, k, {scale, shift, drawn});
}

/** The edit with a line of latent k from one point to another: [frame, value], frames within the curve. */
export function draw(edit, k, from, to) {
  const [[first, a], [last, b]] = from[0] <= to[0] ? [from, to] : [to, from];
  const steps = Math.max(1, last - first);
  // Where a line stays in one frame, its end counts.
  const values = first === last ? [to[1]] : Array.from({length: steps + 1}, (_, i) => a + ((b - a) * i) / steps);
  return place(edit, k, first, values);
}

/** The edit without any change to latent k. */
export const reset = (edit, k) => set(edit, k, {scale: 1, shift: 0, drawn: null});
