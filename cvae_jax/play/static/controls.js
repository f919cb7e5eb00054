// The controls of the page: what they show of a sound, and what they ask for.

export const $ = (id) => document.getElementById(id);

const percent = (x) => `${Math.round(100 * x)} %`;
const seconds = (x) => `${x} s`;
const FORMATS = {mix: percent, volume: percent, morph: percent, attack: seconds, release: seconds};

/** Writes a slider's value beside it. */
export function showValue(input) {
  const output = document.querySelector(`output[for="${input.id}"]`);
  if (output) output.textContent = (FORMATS[input.id] ?? String)(Number(input.value));
}

/** The two families that weigh most, and how much of them is the second. */
function familyMix(family) {
  if (typeof family !== 'object') return [family, null, 0];
  const [[a, x], [b, y] = [null, 0]] = Object.entries(family).sort((p, q) => q[1] - p[1]);
  // The order that was chosen stays, whichever weighs more.
  if (b && a === $('family-b').value) return [b, a, x / (x + y)];
  return [a, b, y / (x + y)];
}

function showFamily(family) {
  const [a, b, share] = familyMix(family);
  if (!a) return;
  // A mix at either end is one family: what the other one was is not forgotten.
  if (!b && $('family-b').value === a && $('mix').value === '1') return;
  $('family').value = a;
  if (b) $('family-b').value = b;
  $('mix').value = share;
}

/** The family that the controls ask for, or the mix of two. */
export function chosenFamily() {
  const [a, b, share] = [$('family').value, $('family-b').value, Number($('mix').value)];
  if (!b || b === a || share <= 0) return a;
  return share >= 1 ? b : {[a]: 1 - share, [b]: share};
}

/** Sets all controls to a sound; `canSample` where the run has a seed to go back to. */
export function showSound(sound, canSample) {
  showFamily(sound.family);
  if (typeof sound.source === 'string') $('source').value = sound.source;
  if (sound.velocity !== undefined) $('velocity').value = sound.velocity;
  $('seed').value = sound.seed;
  $('temperature').value = sound.temperature;
  $('seed').disabled = $('temperature').disabled = Boolean(sound.code);
  $('origin').textContent = sound.code ? 'of a note, not of the seed' : '';
  $('forget').hidden = !sound.code || !canSample;
  $('mix').disabled = !$('family-b').value;
  document.querySelectorAll('input[type=range]').forEach(showValue);
}

/** Fills a list with values to choose from; `none` is what '' is called, where it may be chosen. */
export function fillChoices(id, values, none = null) {
  const option = (value, text) => {
    const made = document.createElement('option');
    [made.value, made.textContent] = [value, text];
    return made;
  };
  const options = values.map((value) => option(value, value.replaceAll('_', ' ')));
  $(id).replaceChildren(...(none === null ? [] : [option('', none)]), ...options);
}

/** Shows what a run can do, and hides the rest. */
export function showNeeds(card) {
  const has = new Set([
    ...card.conditions,
    ...(card.can_sample ? ['sampling'] : []),
    ...(card.can_encode ? ['encoding'] : []),
    ...(card.directions >= 2 ? ['map'] : []),
  ]);
  document.querySelectorAll('[data-needs]').forEach((element) => {
    element.classList.toggle('missing', !has.has(element.dataset.needs));
  });
}

/** Adds the slider of direction k of the latent space; `onChange` gets its value. */
export function addDirection(k, onChange) {
  const row = document.createElement('div');
  row.className = 'row';
  row.innerHTML = `<label for="direction-${k}">Direction ${k + 1}</label>
    <input id="direction-${k}" type="range" min="-3" max="3" step="0.05"><output for="direction-${k}"></output>`;
  $('directions').append(row);
  const input = row.querySelector('input');
  input.addEventListener('change', () => onChange(Number(input.value)));
}
