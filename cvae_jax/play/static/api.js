// Requests to the server, answered by JSON or bytes. A failed request throws an Error with the server's message.

export const MAX_BYTES = 16_000_000; // of an upload, the same as in the server's middleware

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('cannot reach the server');
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Error(answer.detail ?? `the server returned status ${response.status}`);
  }
  return response;
}

export const get = async (path) => (await ask(path)).json();

function toJson(body, signal) {
  return {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify(body),
    signal,
  };
}

export const post = async (path, body, signal) => (await ask(path, toJson(body, signal))).json();

/** Requests a file: {name, blob}. */
export async function download(path, body, name) {
  const response = await ask(path, toJson(body));
  const said = /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition') ?? '');
  return {name: said ? said[1] : name, blob: await response.blob()};
}

/** Saves a file with the browser's download. */
export function save({name, blob}) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Uploads a file; a file that is too large is rejected before it is sent. */
export async function upload(path, file) {
  if (file.size > MAX_BYTES) {
    const [size, most] = [file.size, MAX_BYTES].map((bytes) => (bytes / 1e6).toFixed(1));
    throw new Error(`${file.name} has ${size} MB; the limit is ${most} MB, about a minute of audio`);
  }
  let body;
  try {
    body = await file.arrayBuffer();
  } catch {
    throw new Error(`${file.name} cannot be read: it may be a folder`);
  }
  const options = {
    method: 'POST',
    headers: {'Content-Type': 'application/octet-stream'},
    body,
  };
  return (await ask(path, options)).json();
}

/** Decodes base64 of 16-bit little-endian samples to samples from -1 to 1. */
export function toSamples(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const samples = new Float32Array(bytes.length / 2);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true) / 32767;
  return samples;
}
