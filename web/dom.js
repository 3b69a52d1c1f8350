// Small helpers for building and finding elements.

export const byId = (id) => document.getElementById(id);

// element('button', { type: 'button' }, 'Stop'); names with a hyphen are attributes, the others properties.
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name.includes('-')) node.setAttribute(name, value);
    else node[name] = value;
  node.append(...children);
  return node;
}

// Shows a sentence beside a field, or, where there is no such field, below the form.
export function showError(name, sentence) {
  const field = byId(name);
  const place = field && byId(`${name}-error`);
  (place ?? byId('form-error')).textContent = sentence;
  if (!place) return;
  field.setAttribute('aria-invalid', 'true');
  field.setAttribute('aria-describedby', place.id);
  const folded = field.closest('details');
  if (folded) folded.open = true;
  field.focus();
}

export function clearErrors() {
  for (const place of document.querySelectorAll('.error')) place.textContent = '';
  for (const field of document.querySelectorAll('[aria-invalid]')) {
    field.removeAttribute('aria-invalid');
    field.removeAttribute('aria-describedby');
  }
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
