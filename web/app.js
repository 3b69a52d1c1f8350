// Puts the page together: form -> job -> list. The job shown is in the address (#id), so that a reload goes on with it.
import { createJob, getLimits, getPresets } from './api.js';
import { byId, clearErrors, showError } from './dom.js';
import { follow } from './job.js';
import { refresh } from './list.js';
import { setUpOptions } from './options.js';
import { setUpPicker } from './picker.js';

const form = byId('form');

function show(id) {
  history.replaceState(null, '', `#${id}`);
  follow(id, () => refresh(show));
  byId('job').scrollIntoView({ block: 'nearest' });
  byId('job').focus({ preventScroll: true });
}

// The first field that the browser itself finds fault with, or none.
function findFault() {
  for (const field of form.elements) {
    if (!field.willValidate || field.validity.valid) continue;
    showError(field.id, field.type === 'file' ? 'Choose a picture.' : field.validationMessage);
    return true;
  }
  return false;
}

// The form without the files that were not chosen, which browsers send as empty ones.
function filled(form) {
  const data = new FormData(form);
  for (const input of form.querySelectorAll('input[type=file]')) if (input.files.length === 0) data.delete(input.name);
  return data;
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  clearErrors();
  if (findFault()) return;
  const button = byId('submit');
  button.disabled = true;
  try {
    show((await createJob(filled(form))).id);
  } catch (problem) {
    showError(problem.field, problem.message);
  }
  button.disabled = false;
});

try {
  const [limits, presets] = await Promise.all([getLimits(), getPresets()]);
  setUpOptions(limits.options, presets);
  for (const name of ['content', 'style', 'content_mask', 'style_mask']) setUpPicker(byId(name), limits);
} catch (problem) {
  showError('', problem.message);
}
refresh(show);
const id = location.hash.slice(1);
if (/^[a-z2-7]{26}$/.test(id)) follow(id, () => refresh(show));
