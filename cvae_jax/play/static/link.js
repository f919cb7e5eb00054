// Converts a sound to the fragment of a link (after #), and back.

const DEFAULTS = {labels: {}, seed: 0, temperature: 1, code: null, places: []};

/** The sound with codes rounded to three decimals, so that a link restores it exactly. */
export function normalize(sound) {
  const made = {...DEFAULTS, ...sound};
  made.labels = Object.fromEntries(Object.entries(made.labels).filter(([, value]) => value !== undefined));
  if (made.code) made.code = made.code.map((x) => Math.round(x * 1000) / 1000);
  made.places = made.places.map((p) => (p === null ? null : Math.round(p * 1000) / 1000));
  while (made.places.length && made.places.at(-1) === null) made.places.pop();
  for (const name of Object.keys(made)) {
    if (made[name] === undefined || (made[name] === null && name !== 'code')) delete made[name];
  }
  return made;
}

export function toHash(sound) {
  const {code, ...rest} = sound;
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(rest)) {
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    if (text !== String(DEFAULTS[name]) && text !== JSON.stringify(DEFAULTS[name])) parts.set(name, text);
  }
  if (code) {
    const words = Int16Array.from(code, (x) => Math.max(-32768, Math.min(32767, Math.round(x * 1000))));
    const bytes = String.fromCharCode(...new Uint8Array(words.buffer));
    parts.set('code', btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''));
  }
  return `#${parts}`;
}

/** The sound of a link; null if it has none or an invalid one. */
export function fromHash(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  if (![...parts.keys()].length) return null;
  try {
    const sound = {};
    for (const [name, text] of parts) {
      if (name === 'code') {
        const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
        const words = new Int16Array(Uint8Array.from(bytes, (c) => c.charCodeAt(0)).buffer);
        sound.code = [...words].map((x) => x / 1000);
      } else if (['seed', 'temperature'].includes(name)) {
        sound[name] = Number(text);
      } else {
        sound[name] = /^[[{]/.test(text) ? JSON.parse(text) : text;
      }
    }
    return normalize(sound);
  } catch {
    return null;
  }
}
