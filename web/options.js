// The option fields, made from what the server says of its options and presets.
import { byId, duration, element } from './dom.js';

const foremost = ['preset', 'strength', 'size', 'resize', 'iterations', 'format'];
const words = { true: 'yes', false: 'no' };

const isSlider = ({ type, minimum, maximum }) => type === 'number' && minimum === 0 && maximum === 1;

function choice(name, values) {
  return element('select', { id: name, name },
    ...values.map((value) => element('option', { value }, words[value] ?? value.replaceAll('_', ' '))));
}

function control(option) {
  const { name, type, minimum, maximum } = option;
  if (type === 'boolean') return choice(name, ['true', 'false']);
  if (type === 'string' && option.enum) return choice(name, option.enum);
  if (isSlider(option)) return element('input', { id: name, name, type: 'range', min: minimum, max: maximum, step: .01 });
  if (type === 'integer' || type === 'number')
    return element('input', { id: name, name, type: 'number', min: minimum, max: maximum, step: type === 'integer' ? 1 : 'any', required: true });
  return element('input', { id: name, name, type: 'text', spellcheck: false });
}

// A value as the server reads it from a form: 1,0.5 for a list, name=1,other=0.5 for factors, name=1,2;other=x for
// several values of each.
function asText(value) {
  if (Array.isArray(value)) return value.join(',');
  if (value === null) return '';
  if (typeof value === 'object' && Object.values(value).some(Array.isArray))
    return Object.entries(value).map(([name, values]) => `${name}=${values.join(',')}`).join(';');
  return typeof value === 'object' ? Object.entries(value).map(([name, factor]) => `${name}=${factor}`).join(',') : String(value);
}

function bounds({ type, minimum, maximum, unit, enum: names, max_items: most }) {
  const range = `${minimum} to ${maximum}${unit && ` ${unit}`}`;
  if (type === 'array') return ` (up to ${most} numbers with commas between, each ${range})`;
  if (type === 'object' && names) return ` (name=factor with commas between, each ${range}: ${names.join(', ')})`;
  return type === 'integer' || type === 'number' ? ` (${range})` : '';
}

function field(option) {
  const input = control(option), shown = element('output', { htmlFor: option.name });
  const show = () => { shown.textContent = input.value; };
  if (input.type === 'range') input.addEventListener('input', show);
  input.refresh = input.type === 'range' ? show : () => {};
  return element('div', { className: ['array', 'object'].includes(option.type) ? 'field wide' : 'field' },
    element('label', { htmlFor: option.name }, option.name.replaceAll('_', ' ')), input,
    ...input.type === 'range' ? [shown] : [],
    element('span', { className: 'hint', id: `${option.name}-hint` }, option.help + (isSlider(option) ? '' : bounds(option))),
    element('p', { className: 'error', id: `${option.name}-error` }));
}

export function setUpOptions(options, { presets, default: initial }) {
  const rank = ({ name }) => foremost.indexOf(name);
  for (const option of options.filter((each) => rank(each) >= 0).sort((a, b) => rank(a) - rank(b)))
    byId('main-options').append(field(option));
  for (const option of options.filter((each) => rank(each) < 0)) byId('more-options').append(field(option));
  const apply = (name) => {
    const preset = presets.find((each) => each.name === name);
    for (const [option, value] of Object.entries(preset.options)) {
      byId(option).value = asText(value);
      byId(option).refresh();
    }
    tell(preset);
  };
  // A sheet has a picture for each combination of its options' values.
  const pictures = () => byId('grid').value.split(';').reduce((count, axis) => count * axis.split(',').length, 1);
  // Time grows with the area: the estimate is of a square photo, and of the preset as it is.
  const tell = ({ help, estimate }) => {
    const size = byId('size').valueAsNumber;
    const seconds = pictures() * estimate.seconds * (size / estimate.size) ** 2;
    byId('preset-hint').textContent = byId('size').validity.valid ? `${help}; about ${duration(seconds)} at ${size} pixels` : help;
  };
  const tellAgain = () => tell(presets.find(({ name }) => name === byId('preset').value));
  byId('size').addEventListener('input', tellAgain);
  // Larger pictures are refused on a sheet: they become as large as where no size is given.
  byId('grid').addEventListener('change', ({ target }) => {
    if (target.value && byId('size').valueAsNumber > 256) byId('size').value = 192;
    tellAgain();
  });
  byId('preset').addEventListener('change', ({ target }) => apply(target.value));
  apply(initial);
}
