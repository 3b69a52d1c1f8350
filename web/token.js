// The token of a server that asks for one: kept as long as the tab is, asked for when the server says 401.
import { byId } from './dom.js';

const place = 'token';
let kept = sessionStorage.getItem(place);
let asking; // a promise of the next answer, while the question is on the screen

export const token = () => kept;

function keep(text) {
  kept = text;
  if (text) sessionStorage.setItem(place, text);
  else sessionStorage.removeItem(place);
  byId('forget').hidden = !text;
}

function ask(refused) {
  const dialog = byId('token-dialog'), input = byId('token');
  byId('token-error').textContent = refused ? 'The server does not know this token.' : '';
  input.value = '';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => {
    if (dialog.returnValue === 'use' && input.value.trim()) keep(input.value.trim());
    input.value = '';
    asking = undefined;
    resolve();
  }, { once: true }));
}

// Gets a token other than `used`, which the server refused (undefined: none was sent). False when there is none.
export async function another(used) {
  if (kept === used) {
    if (used) keep(null);
    asking ??= ask(used);
    await asking;
  }
  return Boolean(kept) && kept !== used;
}

byId('forget').hidden = !kept;
byId('forget').addEventListener('click', () => {
  keep(null);
  location.reload();
});
byId('token-cancel').addEventListener('click', () => byId('token-dialog').close());
