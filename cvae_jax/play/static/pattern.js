// A bar of sixteen steps for each pad: its edits, its times, and its text in a link. Beats are never changed in place.

export const STEPS = 16;
export const [SILENT, HIT, ACCENT] = [0, 1, 2];
export const TEMPO = [30, 300]; // quarter notes per minute
export const SWING = [50, 75]; // share, in per cent, of two steps that the first one takes
const VELOCITIES = [0, 90, 127]; // of a step, the same as in scores/drum_pattern.py
const STEPS_PER_BEAT = 4;

// A letter for each step: x is a hit, X an accent. Rows are of the first pad of each kind.
export const PATTERNS = {
  'Four on the floor': {tempo: 124, swing: 50, rows: {
    kick: 'X...X...X...X...', clap: '....X.......X...', hihat_closed: 'x.x.x.x.x.x.x.x.', hihat_open: '..x...x...x...x.'}},
  Rock: {tempo: 110, swing: 50, rows: {
    kick: 'X.......X.x.....', snare: '....X.......X...', hihat_closed: 'X.x.X.x.X.x.X.x.', cymbal: 'x...............'}},
  'Hip hop': {tempo: 88, swing: 58, rows: {
    kick: 'X..x..x...X.....', snare: '....X.......X..x', hihat_closed: 'x.xxx.x.x.xxx.x.', percussion: '..........x.....'}},
  Electro: {tempo: 118, swing: 50, rows: {
    kick: 'X..x..X...x.....', snare: '....X.......X...', hihat_closed: 'xxXxxxXxxxXxxxXx', clap: '............X...', cowbell: '..x..x..x..x..x.'}},
  Shuffle: {tempo: 100, swing: 66, rows: {
    kick: 'X.......X.......', snare: '....X.......X...', hihat_closed: 'X..xX..xX..xX..x', tom: '..............xx'}},
  Breakbeat: {tempo: 136, swing: 54, rows: {
    kick: 'X.x.......x.....', snare: '....X..x.x..X..x', hihat_closed: 'x.x.x.x.x.x.x.x.', hihat_open: '..............x.'}},
};

const clamp = (value, [low, high]) => Math.min(high, Math.max(low, Math.round(value)));
const makeTrack = (steps = Array(STEPS).fill(SILENT), level = 80, muted = false) => ({steps, level, muted});

export const makeBeat = (numTracks) => ({
  tempo: 110,
  swing: SWING[0],
  tracks: Array.from({length: numTracks}, () => makeTrack()),
});

/** The beat with fields of one track changed. */
export const setTrack = (beat, k, fields) => ({
  ...beat,
  tracks: beat.tracks.map((track, i) => (i === k ? {...track, ...fields} : track)),
});

/** The beat with one step changed. */
export const setStep = (beat, k, step, value) =>
  setTrack(beat, k, {steps: beat.tracks[k].steps.map((old, i) => (i === step ? value : old))});

/** The beat with a tempo or a swing within its range. */
export const setTime = (beat, {tempo = beat.tempo, swing = beat.swing}) => ({
  ...beat,
  tempo: clamp(tempo || beat.tempo, TEMPO),
  swing: clamp(swing || beat.swing, SWING),
});

export const clear = (beat) => ({...beat, tracks: beat.tracks.map((track) => ({...track, steps: Array(STEPS).fill(SILENT)}))});

/** The beat with all tracks but one muted; with none muted where that is so already. */
export function solo(beat, k) {
  const isSolo = beat.tracks.every((track, i) => track.muted === (i !== k));
  return {...beat, tracks: beat.tracks.map((track, i) => ({...track, muted: !isSolo && i !== k}))};
}

/** What a click on a step makes of it: a hit, an accent, silence. */
export const nextStep = (value) => (value + 1) % 3;

/** The beat with the steps of a pattern by name, on the first pad of each of `kinds`. */
export function applyPattern(beat, name, kinds) {
  const {tempo, swing, rows} = PATTERNS[name];
  const tracks = beat.tracks.map((track, k) => {
    const row = kinds.indexOf(kinds[k]) === k ? rows[kinds[k]] : undefined;
    const steps = [...(row ?? '.'.repeat(STEPS))].map((letter) => Math.max(0, '.xX'.indexOf(letter)));
    return {...track, steps};
  });
  return {tempo, swing, tracks};
}

/** Seconds from the start of the bar to a step, from 0 to STEPS. */
export function offsetOf(beat, step) {
  const late = step % 2 ? beat.swing / 50 : 0;
  return ((step - (step % 2) + late) * 60) / (beat.tempo * STEPS_PER_BEAT);
}

/** The gain of a step of a track; 0 for silence. */
export const gainOf = (track, step) =>
  (track.muted ? 0 : track.level / 100) * (VELOCITIES[track.steps[step]] / 127) ** 2;

/** The API's pattern, without muted tracks; and the numbers of those that are left. */
export function toRequest(beat, keys) {
  const heard = beat.tracks.map((_, k) => k).filter((k) => !beat.tracks[k].muted);
  const tracks = heard.map((k) => ({key: keys[k], steps: beat.tracks[k].steps, level: beat.tracks[k].level / 100}));
  return {pattern: {tracks, tempo_bpm: beat.tempo, swing: beat.swing / 100}, heard};
}

const toDigits = ({steps}) => parseInt(steps.join(''), 3).toString(36);

/** A beat as a short text of letters, digits, dots and dashes. */
export function toText(beat) {
  const tracks = beat.tracks.map((track) =>
    [toDigits(track), ...(track.level === 80 && !track.muted ? [] : [track.level]), ...(track.muted ? ['m'] : [])].join('-'));
  return [beat.tempo, beat.swing, ...tracks].join('.');
}

/** The beat of a text, with as many tracks as asked for; null if it is none. */
export function fromText(text, numTracks) {
  const [tempo, swing, ...words] = text.split('.');
  if (![tempo, swing].every((word) => /^\d{1,3}$/.test(word ?? ''))) return null;
  const tracks = words.slice(0, numTracks).map((word) => {
    const [digits, level = '80', muted] = word.split('-');
    const value = /^[0-9a-z]{1,6}$/.test(digits) ? parseInt(digits, 36) : NaN;
    if (!(value < 3 ** STEPS) || !/^\d{1,3}$/.test(level)) return null;
    const steps = [...value.toString(3).padStart(STEPS, '0')].map(Number);
    return makeTrack(steps, clamp(Number(level), [0, 100]), muted === 'm');
  });
  if (tracks.includes(null)) return null;
  while (tracks.length < numTracks) tracks.push(makeTrack());
  return setTime({tempo: 0, swing: 0, tracks}, {tempo: Number(tempo) || TEMPO[0], swing: Number(swing) || SWING[0]});
}
